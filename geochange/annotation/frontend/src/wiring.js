// Who listens to whom: when one part changes, the others are drawn again, once a frame.
import { get } from './api.js';
import { clashCard } from './dialogs.js';
import { byId, toast } from './dom.js';

export function makeRedraw(page) {
  const { model, labels, selection, lists, panel, bar, tour, tools } = page;
  const showBar = () => bar.show(tour.position, model.order.length, Boolean(selection.keys.size || lists.shown().length));
  const redraw = () => {
    labels.sync();
    selection.prune();
    lists.render();
    panel.render(tour.position);
    showBar();
    tools.refresh();
  };
  let queued = false;
  const soon = () => {
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => {
      queued = false;
      redraw();
    });
  };
  return { soon, showBar };
}

export function wire(page) {
  wireModel(page);
  wireParts(page);
  window.addEventListener('beforeunload', (event) => {
    if (page.model.waiting) event.preventDefault();
  });
}

function wireModel({ model, tour, top, loader, verdicts, soon, crowd }) {
  const progress = () => get('api/progress').then((found) => top.showProgress(found)).catch(() => null);
  model.addEventListener('features', soon);
  model.addEventListener('tiles', soon);
  model.addEventListener('history', () => top.showHistory());
  model.addEventListener('link', () => top.showLink());
  model.addEventListener('saved', ({ detail }) => {
    if (detail.ops.some((op) => op.target === 'tile') || detail.kind !== 'edit') progress();
    if (detail.kind === 'tile') tour.learn();
  });
  model.addEventListener('stale', () => loader.later(true));
  model.addEventListener('shut', ({ detail: id }) => verdicts.refuse(id));
  model.addEventListener('problem', ({ detail }) => toast(detail, 'error'));
  model.addEventListener('conflict', ({ detail }) => {
    const card = clashCard(detail, (choice) => model.resolve(choice));
    byId('app').append(card);
    card.showModal();
  });
  loader.addEventListener('crowd', ({ detail: more }) => {
    crowd.hidden = !more;
    crowd.textContent = `${more} more candidates in view; zoom in to see them`;
  });
  progress();
}

function wireParts(page) {
  const { model, views, selection, tools, tour, nudge, scores, labels, loader, lists, panel, top, options, on, soon, showBar } = page;
  selection.addEventListener('change', () => {
    lists.renderSelection();
    panel.render(tour.position);
    showBar();
    tools.refresh();
  });
  tools.addEventListener('change', () => {
    page.palette.show(tools.name);
    options.render();
  });
  scores.addEventListener('change', () => panel.display.showScore(scores.on));
  scores.addEventListener('threshold', () => {
    lists.render();
    panel.render(tour.position);
  });
  tour.addEventListener('leave', () => nudge.keep());
  model.addEventListener('tiles', () => nudge.show());
  tour.addEventListener('go', () => {
    nudge.show();
    labels.outline(model.tile);
    selection.set([]);
    loader.load();
    soon();
    on.keep();
  });
  tour.addEventListener('lease', () => panel.render(tour.position));
  let { mode } = views;
  views.addEventListener('mode', () => {
    // The map is half as wide side by side: a tile that was seen whole stays so.
    if ((mode === 'side') !== (views.mode === 'side') && tour.whole) requestAnimationFrame(() => tour.fit());
    mode = views.mode;
    top.showMode(views.mode);
    panel.display.showBlink(views.hertz ?? 0);
  });
  views.main.map.on('moveend', () => loader.later(false));
}
