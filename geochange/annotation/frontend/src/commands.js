// What keys and buttons do, by name. Every command is one call of the part that knows how.
import { ask, post } from './api.js';
import { sendBackDialog } from './dialogs.js';
import { byId, toast } from './dom.js';
import { MODES } from './views.js';

export function makeCommands(page) {
  const { model, views, dates, display, scores, selection, actions, tools, tour, verdicts, jobs, help } = page;

  const keep = () => {
    const settings = {
      display: display.settings, mode: views.mode, tile: model.active,
      opacity: scores.opacity, scoreOn: scores.on, seen: true,
    };
    ask('PUT', 'api/settings', settings).catch(() => null);
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

  const verdict = {
    accept: () => verdicts.judge('accepted'),
    reject: () => verdicts.judge('rejected'),
    judge: (name) => verdicts.judge(name),
    choose: (key) => verdicts.choose(key),
    step_candidate: (direction) => verdicts.step(direction),
    zoomTo: () => verdicts.zoomTo(),
    comment: () => byId('comment').focus(),
    note: (text) => actions.setNote(text),
    noteText: () => verdicts.note(),
  };

  const tile = {
    done: () => (tools.keep() ? null : verdicts.finish('labelled')),
    noChange: () => verdicts.finish('no_change'),
    unsure: () => verdicts.finish('unsure'),
    unusable: () => verdicts.finish('unusable'),
    reopen: () => {
      if (model.reviewable(model.tile)) sendBackDialog(model.tile, (remark) => verdicts.sendBack(remark));
      else verdicts.reopen();
    },
    flag: () => actions.setTile('note', { flag: model.tile.flag ? 0 : 1 }),
    nudge: (dx, dy) => page.nudge.by(dx / 2, dy / 2),
    fitTile: () => tour.fit(),
    back: () => (tools.back() ? null : tour.back()),
    next: () => tour.next(),
  };

  const looking = {
    keep,
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
    score: (wanted) => {
      scores.show(wanted ?? !scores.on);
      keep();
    },
    opacity: (value) => scores.setOpacity(value),
    threshold: () => scores.threshold,
    setThreshold: (value) => scores.setThreshold(value),
    display: (changes) => {
      Object.assign(display, changes);
      dates.before.refresh();
      dates.after.refresh();
      keep();
    },
    bar: (direction) => views.setSplit(views.split + 0.05 * direction),
    zoom: (factor) => views.zoom(factor),
    pan: (x, y) => views.pan(x, y),
  };

  const setClass = (id) => {
    actions.setClass(id);
    page.lists.render();
  };
  const drawing = {
    tool: (name) => tools.use(tools.name === name && name !== 'select' ? 'select' : name),
    merge: () => actions.merge(),
    simplify: () => actions.simplify(),
    remove: () => actions.remove(),
    step: (direction) => tools.step(direction),
    cancel: () => tools.cancel(),
    setClass,
    classKey: (key) => {
      const cls = model.project.schema.classes.find((one) => one.key === key);
      if (cls) setClass(cls.id);
    },
    undo: () => revert(model.undo(), 'undo'),
    redo: () => revert(model.redo(), 'redo'),
    flush: () => model.send(),
    help: () => (help.open ? help.close() : help.showModal()),
  };

  const work = {
    order: async (order) => {
      const { tiles } = await post('api/queue', { order });
      model.setTiles(tiles);
      await tour.start();
    },
    // Starts work of the server in the background; true when it began.
    startJob: async (path, body) => {
      try {
        await post(path, body);
        await jobs.watch();
        return true;
      } catch (error) {
        toast(error.message, 'error');
        return false;
      }
    },
    detect: (name) => work.startJob('api/prelabels', { name }),
    busy: () => jobs.busy,
    stopJob: (id) => ask('DELETE', `api/jobs/${id}`),
  };

  return { ...verdict, ...tile, ...looking, ...drawing, ...work };
}
