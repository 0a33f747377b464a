// The keyboard: one table for what keys do, for the help page and for hints.

export const KEYS = [
  ['Verdicts', [
    ['A', 'accept the candidate, go to the next'],
    ['D', 'reject the candidate, go to the next'],
    ['Tab / Shift+Tab', 'next / previous candidate'],
    ['G', 'zoom to the selection'],
    ['1 – 9', 'set the class'],
    ['C', 'comment'],
  ]],
  ['Tile', [
    ['Enter', 'done → next tile · as its reviewer: approve'],
    ['Shift+Enter', 'no change in this tile → next'],
    ['U', 'unsure → next'],
    ['K', 'unusable imagery → next'],
    ['R', 'open a done tile again · as its reviewer: send it back'],
    ['Backspace', 'previous tile'],
    ['F', 'flag the tile'],
    ['T', 'fit the tile into the view'],
  ]],
  ['Looking', [
    ['Space', 'hold: the before date · tap: flicker'],
    ['V', 'swipe → side by side → flicker → difference'],
    [', .', 'move the swipe bar'],
    ['M', 'hold: hide all labels'],
    ['H', 'score on / off'],
    ['+ − and arrows', 'zoom and pan'],
    ['Shift + arrows', 'shift the after date in this tile, as it is shown'],
  ]],
  ['Drawing', [
    ['N', 'new polygon'],
    ['B', 'brush (Alt erases)'],
    ['W', 'magic wand'],
    ['P', 'superpixels (Alt takes away)'],
    ['E', 'edit vertices'],
    ['O', 'cut a hole'],
    ['S', 'split by a line'],
    ['J', 'merge the selected'],
    ['Q', 'simplify'],
    ['X or Del', 'delete'],
    ['[ ]', 'size of brush and superpixels, tolerance of wand'],
    ['Esc', 'cancel'],
  ]],
  ['Work', [
    ['Ctrl+Z', 'undo'],
    ['Ctrl+Shift+Z', 'redo'],
    ['Ctrl+S', 'send now what waits'],
    ['F6', 'to the next part of the page, Tab goes on there, Esc back'],
    ['?', 'this help'],
  ]],
];

const TAP_MS = 220;
const typing = (target) =>
  target.isContentEditable || target.matches?.('textarea, select, input:not([type=range]):not([type=checkbox])');

// The parts of the page that F6 goes through; Tab goes on inside of each, Esc back to the map.
const REGIONS = ['header', '.palette', '.panel', 'footer'];
function stepRegion(direction) {
  const parts = REGIONS.map((one) => document.querySelector(one));
  const at = parts.findIndex((one) => one.contains(document.activeElement));
  const to = at < 0 ? (direction > 0 ? 0 : parts.length - 1) : (at + direction + parts.length) % parts.length;
  const stops = [...parts[to].querySelectorAll('button:not(:disabled), input, select, summary')];
  stops.find((one) => one.offsetParent)?.focus({ focusVisible: true });
}

export function listen(on) {
  let spaceAt = 0;
  const actions = {
    a: on.accept, d: on.reject, g: on.zoomTo, c: on.comment, u: on.unsure, k: on.unusable,
    f: on.flag, r: on.reopen, t: on.fitTile, v: on.nextMode, h: on.score, n: () => on.tool('draw'),
    b: () => on.tool('brush'), w: () => on.tool('wand'), p: () => on.tool('superpixel'), e: () => on.tool('edit'), o: () => on.tool('hole'),
    s: () => on.tool('split'), j: on.merge, q: on.simplify, x: on.remove, delete: on.remove,
    backspace: on.back, escape: on.cancel, '[': () => on.step(-1), ']': () => on.step(1),
    ',': () => on.bar(-1), '.': () => on.bar(1), '+': () => on.zoom(1 / 1.5), '=': () => on.zoom(1 / 1.5),
    '-': () => on.zoom(1.5), '?': on.help,
    arrowleft: () => on.pan(-1, 0), arrowright: () => on.pan(1, 0),
    arrowup: () => on.pan(0, 1), arrowdown: () => on.pan(0, -1),
  };
  const nudges = {
    arrowleft: () => on.nudge(-1, 0), arrowright: () => on.nudge(1, 0),
    arrowup: () => on.nudge(0, -1), arrowdown: () => on.nudge(0, 1),
  };
  const chords = {
    z: (event) => (event.shiftKey ? on.redo() : on.undo()),
    y: on.redo,
    s: on.flush,
  };

  document.addEventListener('keydown', (event) => {
    if (typing(event.target) && event.key !== 'F6') {
      if (event.key === 'Escape') event.target.blur();
      return;
    }
    const key = event.key.toLowerCase();
    if (document.querySelector('dialog[open]')) {
      if (key === '?') on.help();
      else return;
    }
    if (event.ctrlKey || event.metaKey) {
      const chord = chords[key];
      if (!chord) return;
      event.preventDefault();
      chord(event);
      return;
    }
    if (event.altKey) return;
    const control = event.target.matches?.('button, input, select, summary, [role=slider]') && event.target.matches(':focus-visible');
    if (key === 'f6') {
      event.preventDefault();
      stepRegion(event.shiftKey ? -1 : 1);
      return;
    }
    if (key === 'escape' && control) {
      event.target.blur();
      return;
    }
    if (key === ' ') {
      if (control) return;
      event.preventDefault();
      if (!event.repeat) {
        spaceAt = performance.now();
        on.hold('before');
      }
      return;
    }
    if (key === 'm') {
      if (!event.repeat) on.labels(false);
      return;
    }
    if (key === 'tab') {
      if (control) return;
      event.preventDefault();
      on.step_candidate(event.shiftKey ? -1 : 1);
      return;
    }
    if (key === 'enter') {
      if (control) return;
      event.preventDefault();
      if (!event.repeat) (event.shiftKey ? on.noChange : on.done)();
      return;
    }
    if (/^[1-9]$/.test(key)) {
      on.classKey(key);
      return;
    }
    if (control && event.target.matches('input[type=range], [role=slider]') && key.startsWith('arrow')) return;
    const action = event.shiftKey && key in nudges ? nudges[key] : actions[key];
    if (!action) return;
    event.preventDefault();
    action();
  });

  document.addEventListener('keyup', (event) => {
    const key = event.key.toLowerCase();
    if (key === ' ' && spaceAt) {
      on.hold(null);
      if (performance.now() - spaceAt < TAP_MS) on.tap();
      spaceAt = 0;
    }
    if (key === 'm') on.labels(true);
  });

  window.addEventListener('blur', () => {
    if (spaceAt) on.hold(null);
    spaceAt = 0;
    on.labels(true);
  });
}
