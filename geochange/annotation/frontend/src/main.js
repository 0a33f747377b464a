// Puts the page together.
import { ask, get, post } from './api.js';
import { Actions } from './actions.js';
import { Palette, TileBar, TopBar, clashCard, helpDialog } from './bars.js';
import { Display } from './display.js';
import { byId, h, toast } from './dom.js';
import { Jobs } from './jobs.js';
import { listen } from './keys.js';
import { DateLayer, Labels, ScoreLayer } from './layers.js';
import { Lists } from './lists.js';
import { Loader } from './loading.js';
import { Model } from './model.js';
import { Panel, jobLine, stateName } from './panel.js';
import { bounds, makeGrid } from './pixels.js';
import { Selection } from './selection.js';
import { TOOLS, Tools } from './tools.js';
import { Tour } from './tour.js';
import { MODES, Views } from './views.js';

const AROUND_PX = 40;

async function start() {
  const model = await new Model().open();
  const { project } = model;
  const world = makeGrid(project);
  const display = new Display(project, model.settings.display);
  const dates = { before: new DateLayer(world, 'before', display), after: new DateLayer(world, 'after', display) };
  const score = new ScoreLayer(world);
  const labels = new Labels(model);
  const [first, second] = project.dates;
  const names = { before: first ? `before · ${first}` : 'before', after: second ? `after · ${second}` : 'after' };
  const views = new Views(world, dates, score, labels, names);
  const selection = new Selection(model, labels, views);
  const actions = new Actions(model, selection);
  const tools = new Tools(views, labels, selection, actions, model);
  const tour = new Tour(model, views);
  const loader = new Loader(model, views);
  const jobs = new Jobs();
  const help = helpDialog();
  let threshold = project.runs[0]?.threshold ?? 0;
  let scoreOn = false;
  let opacity = 0.7;

  // --- what keys and buttons do -----------------------------------------------------------
  const choose = (key, pan = true) => {
    selection.set(key ? [key] : []);
    const one = selection.find(key);
    if (!one || !pan) return;
    const [left, bottom, right, top] = bounds(one.geom);
    const [l, b, r, t] = views.view.calculateExtent(views.main.map.getSize());
    if (left < l || bottom < b || right > r || top > t) views.view.animate({ center: [(left + right) / 2, (bottom + top) / 2], duration: 150 });
  };
  const stepCandidate = (direction, list = lists.shown(), from = selection.first) => {
    if (!list.length) return choose(null);
    const at = list.findIndex((one) => `c${one.id}` === from);
    const to = at < 0 ? (direction > 0 ? 0 : list.length - 1) : (at + direction + list.length) % list.length;
    return choose(`c${list[to].id}`);
  };
  const judge = (verdict) => {
    const order = lists.shown();
    const at = order.findIndex((one) => `c${one.id}` === selection.first);
    const ahead = at < 0 ? null : order[at + 1] ?? order[at - 1] ?? null;
    actions.judge(verdict, (key) => {
      if (key === null) stepCandidate(1);
      else if (key[0] === 'c') choose(ahead && model.candidates.has(ahead.id) ? `c${ahead.id}` : null);
    });
  };
  let confirmed = null;
  const finish = async (state) => {
    tools.keep();
    const open = actions.open().length;
    if (state === 'no_change' && actions.marked().length) {
      toast(`${actions.marked().length} labels are marked here; delete or reject them first, or press Enter.`, 'warn');
      return;
    }
    if (state === 'labelled' && open && confirmed !== model.active) {
      confirmed = model.active;
      toast(`${open} candidate${open > 1 ? 's are' : ' is'} undecided. Enter again rejects ${open > 1 ? 'them' : 'it'} and goes on.`, 'warn');
      return;
    }
    confirmed = null;
    actions.finish(state);
    toast(`Tile ${model.active}: ${stateName(state)}`, 'good');
    await tour.next();
  };
  const keep = () => {
    const settings = { display: display.settings, mode: views.mode, tile: model.active, opacity, scoreOn, seen: true };
    ask('PUT', 'api/settings', settings).catch(() => null);
  };
  const showScore = (on) => {
    scoreOn = on && Boolean(project.runs.length);
    if (on && !scoreOn) toast('There is no score yet; make pre-labels first.');
    views.setScore(scoreOn, opacity);
    panel.scoreOn.checked = scoreOn;
    keep();
  };
  const setThreshold = (value) => {
    threshold = value;
    labels.threshold = value;
    score.setThreshold(value);
    labels.sync();
    lists.render();
    panel.render(tour.position);
  };
  const setDisplay = (changes) => {
    Object.assign(display, changes);
    dates.before.refresh();
    dates.after.refresh();
    keep();
  };
  const setMode = (mode) => {
    views.setMode(mode);
    model.view = mode;
    keep();
  };
  const revert = (done, word) => {
    if (!done) toast(`Nothing to ${word}.`);
    else toast(`${word === 'undo' ? 'Undone' : 'Redone'}: ${done.kind}`);
    selection.prune();
  };
  const note = () => {
    const one = selection.find(selection.first);
    return selection.keys.size === 1 && selection.first[0] === 'a' ? one?.note ?? '' : model.tile?.note ?? '';
  };

  const on = {
    accept: () => judge('accepted'),
    reject: () => judge('rejected'),
    judge,
    choose,
    step_candidate: (direction) => stepCandidate(direction),
    zoomTo: () => {
      const one = selection.find(selection.first);
      if (!one) return;
      const [left, bottom, right, top] = bounds(one.geom);
      const around = Math.max(AROUND_PX, right - left, top - bottom);
      views.fit([left - around, bottom - around, right + around, top + around], { duration: 200 });
    },
    comment: () => byId('comment').focus(),
    note: (text) => actions.setNote(text),
    noteText: note,
    done: () => (tools.keep() ? null : finish('labelled')),
    noChange: () => finish('no_change'),
    unsure: () => finish('unsure'),
    unusable: () => finish('unusable'),
    flag: () => actions.setTile('note', { flag: model.tile.flag ? 0 : 1 }),
    fitTile: () => tour.fit(),
    back: () => (tools.back() ? null : tour.back()),
    next: () => tour.next(),
    mode: setMode,
    nextMode: () => setMode(MODES[(MODES.indexOf(views.mode) + 1) % MODES.length]),
    hold: (date) => views.hold(date),
    tap: () => {
      views.toggle();
      model.view = views.mode;
    },
    blink: (hertz) => {
      if (hertz && views.mode !== 'flicker') setMode('flicker');
      views.setFlicker(hertz);
    },
    labels: (visible) => views.setLabels(visible),
    score: (wanted) => showScore(wanted ?? !scoreOn),
    opacity: (value) => {
      opacity = value;
      views.setScore(scoreOn, opacity);
    },
    bar: (direction) => views.setSplit(views.split + 0.05 * direction),
    zoom: (factor) => views.zoom(factor),
    pan: (x, y) => views.pan(x, y),
    tool: (name) => tools.use(tools.name === name && name !== 'select' ? 'select' : name),
    merge: () => actions.merge(),
    simplify: () => actions.simplify(),
    remove: () => actions.remove(),
    step: (direction) => tools.step(direction),
    cancel: () => tools.cancel(),
    classKey: (key) => {
      const cls = project.schema.classes.find((one) => one.key === key);
      if (cls) on.setClass(cls.id);
    },
    setClass: (id) => {
      actions.setClass(id);
      lists.render();
    },
    undo: () => revert(model.undo(), 'undo'),
    redo: () => revert(model.redo(), 'redo'),
    flush: () => model.send(),
    help: () => (help.open ? help.close() : help.showModal()),
    threshold: () => threshold,
    setThreshold,
    display: setDisplay,
    order: async (order) => {
      const { tiles } = await post('api/queue', { order });
      model.setTiles(tiles);
      await tour.start();
    },
    detect: async (name) => {
      try {
        await post('api/prelabels', { name });
        jobs.watch();
      } catch (error) {
        toast(error.message, 'error');
      }
    },
    busy: () => jobs.busy,
    stopJob: (id) => ask('DELETE', `api/jobs/${id}`),
  };

  // --- the page -----------------------------------------------------------
  const lists = new Lists(model, selection, actions, on);
  const panel = new Panel({ model, lists, display, on });
  const top = new TopBar({ model, on });
  const palette = new Palette(on);
  const bar = new TileBar(on);
  const hint = h('div', { class: 'hint', id: 'hint' });
  const pointer = h('span', { class: 'pointer', id: 'pointer' });
  const overview = h('div', { class: 'overview', hidden: true });
  const options = h('div', { class: 'options', id: 'options', hidden: true });
  const stage = h('main', {}, views.box, hint, options, h('div', { class: 'hint crowd', id: 'crowd', hidden: true }), overview, pointer);
  byId('app').replaceChildren(top.root, palette.root, stage, panel.root, bar.root, help, h('div', { class: 'toast', id: 'toast', role: 'status', 'aria-live': 'polite' }));
  document.title = `${project.name} · geochange`;

  const renderTools = () => {
    palette.show(tools.name);
    hint.textContent = tools.name === 'select' ? '' : TOOLS[tools.name].hint;
    const sizes = { brush: () => `${tools.brushPx} px`, wand: () => tools.tolerance[tools.wandOn].toFixed(2) };
    options.hidden = !sizes[tools.name];
    if (options.hidden) return;
    const kinds = tools.name === 'wand'
      ? ['score', 'difference'].map((kind) => h('button', { role: 'radio', 'data-wand': kind, 'aria-checked': String(tools.wandOn === kind), disabled: kind === 'score' && !project.runs.length, onclick: () => tools.setWand(kind) }, kind))
      : [];
    const keepIt = tools.found ? [h('button', { class: 'yes', onclick: () => tools.keep() }, 'Keep ', h('kbd', {}, '↵'))] : [];
    options.replaceChildren(...kinds,
      h('button', { 'aria-label': 'Less', onclick: () => tools.step(-1) }, '['), h('output', {}, sizes[tools.name]()),
      h('button', { 'aria-label': 'More', onclick: () => tools.step(1) }, ']'), ...keepIt);
  };
  const renderWork = () => {
    labels.sync();
    selection.prune();
    lists.render();
    panel.render(tour.position);
    bar.show(tour.position, model.order.length, Boolean(selection.keys.size || lists.shown().length));
    tools.refresh();
  };
  let queued = false;
  const soon = () => {
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => {
      queued = false;
      renderWork();
    });
  };
  const progress = () => get('api/progress').then((found) => top.showProgress(found)).catch(() => null);

  model.addEventListener('features', soon);
  model.addEventListener('tiles', soon);
  loader.addEventListener('crowd', ({ detail: more }) => {
    byId('crowd').hidden = !more;
    byId('crowd').textContent = `${more} more candidates in view; zoom in to see them`;
  });
  model.addEventListener('history', () => top.showHistory());
  model.addEventListener('link', () => top.showLink());
  model.addEventListener('saved', ({ detail }) => {
    if (detail.ops.some((op) => op.target === 'tile') || detail.kind !== 'edit') progress();
  });
  model.addEventListener('stale', () => loader.later(true));
  model.addEventListener('note', ({ detail }) => toast(detail));
  model.addEventListener('problem', ({ detail }) => toast(detail, 'error'));
  model.addEventListener('conflict', ({ detail }) => {
    const card = clashCard(detail, (choice) => model.resolve(choice));
    byId('app').append(card);
    card.showModal();
  });
  selection.addEventListener('change', () => {
    lists.renderSelection();
    panel.render(tour.position);
    bar.show(tour.position, model.order.length, Boolean(selection.keys.size || lists.shown().length));
    tools.refresh();
  });
  tools.addEventListener('change', renderTools);
  tour.addEventListener('go', () => {
    labels.outline(model.tile);
    selection.set([]);
    loader.load();
    soon();
    keep();
  });
  tour.addEventListener('lease', () => {
    const minutes = Math.ceil((tour.until - Date.now()) / 60000);
    panel.leaseText = tour.until ? `yours for ${minutes} min` : 'not yours';
    panel.render(tour.position);
  });
  views.addEventListener('mode', () => {
    top.showMode(views.mode);
    panel.showBlink(views.hertz ?? 0);
  });
  views.addEventListener('pointer', ({ detail: [x, y] }) => {
    const [a, b, c, d, e, f] = project.affine;
    const [col, line] = [Math.floor(x), Math.floor(-y)];
    const place = project.crs ? ` · ${(a * x - b * y + c).toFixed(project.gsd_m ? 2 : 6)}, ${(d * x - e * y + f).toFixed(project.gsd_m ? 2 : 6)}` : '';
    pointer.textContent = `column ${col}, row ${line}${place}`;
  });
  views.main.map.on('moveend', () => loader.later(false));
  new ResizeObserver(() => views.arrange()).observe(stage);
  window.addEventListener('beforeunload', (event) => {
    if (model.waiting) event.preventDefault();
  });
  listen(on);

  // --- work in the background -----------------------------------------------------------
  jobs.addEventListener('news', () => {
    panel.renderJobs(jobs.list);
    const busy = jobs.list.filter((job) => job.state === 'running');
    overview.hidden = !busy.length;
    overview.replaceChildren(...busy.map((job) => jobLine(job)));
    soon();
  });
  jobs.addEventListener('end', async ({ detail: job }) => {
    if (job.state === 'failed') toast(job.message, 'error');
    if (job.state !== 'done') return;
    toast(job.message, 'good');
    Object.assign(project, await get('api/project'));
    const version = `${project.version}${project.cached ? 'c' : ''}`;
    if (version !== display.version) {
      display.version = version;
      dates.before.refresh();
      dates.after.refresh();
    }
    if (job.kind === 'levels') return;
    await model.loadTiles();
    showRun();
    await loader.load(true);
  });
  function showRun() {
    const [run] = project.runs;
    score.show(run?.id ?? null);
    if (run) tools.wandOn = 'score';
    panel.threshold.value = run?.threshold ?? 0;
    setThreshold(run?.threshold ?? 0);
  }

  // --- begin -----------------------------------------------------------
  opacity = model.settings.opacity ?? 0.7;
  showRun();
  top.showMode(views.mode);
  top.showHistory();
  top.showLink();
  renderTools();
  tools.use('select');
  views.arrange();
  if (MODES.includes(model.settings.mode)) setMode(model.settings.mode);
  await tour.start(model.settings.tile);
  if (model.settings.scoreOn) showScore(true);
  progress();
  jobs.watch();
  get('api/detectors').then((found) => panel.setDetectors(found)).catch(() => null);
  if (!model.settings.seen) toast('Press ? for the keys.');
  window.geochange = { setThreshold, model, views, selection, tools, tour, labels, score, display, actions };
  document.body.dataset.ready = 'true';
}

// The token belongs into memory and the cookie, not into the address bar or the history.
if (location.search) history.replaceState(null, '', location.pathname);
start().catch((error) => {
  byId('app').replaceChildren(h('p', { class: 'loading' }, `The page could not start: ${error.message}`));
  throw error;
});
