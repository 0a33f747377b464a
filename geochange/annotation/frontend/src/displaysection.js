// The panel's section of how both dates are shown.
import { STRETCH_NAMES } from './display.js';
import { h } from './dom.js';
import { ShiftRow } from './shiftrow.js';

export function row(label, control) {
  return h('label', { class: 'row' }, h('span', {}, label), control);
}

function choice(id, names, value, change) {
  const made = h('select', { id }, names.map((name) => h('option', { value: name }, name)));
  made.value = value;
  made.addEventListener('change', () => change(made.value));
  return made;
}

function check(props, change) {
  const made = h('input', { type: 'checkbox', ...props });
  made.addEventListener('change', () => change(made.checked));
  return made;
}

export class DisplaySection {
  constructor({ model, display, nudge, on }) {
    const combo = choice('bands', display.combos().map((one) => one.name), display.combo, (value) => on.display({ combo: value }));
    const stretch = choice('stretch', STRETCH_NAMES, display.stretch, (value) => on.display({ stretch: value }));
    const gamma = h('input', { type: 'range', min: 0.4, max: 2.5, step: 0.1, value: display.gamma, id: 'gamma' });
    gamma.addEventListener('change', () => on.display({ gamma: Number(gamma.value) }));
    const shared = check({ checked: display.shared, disabled: model.project.stretch.shared === null }, (value) => on.display({ shared: value }));
    const matched = check({
      id: 'matched', checked: display.matched, disabled: !display.matchable,
      title: 'Show the after date with the histogram of the before date; the data stay as they are',
    }, (value) => on.display({ matched: value }));
    this.score = check({ id: 'score' }, (value) => on.score(value));
    const opacity = h('input', { type: 'range', min: 0.1, max: 1, step: 0.05, value: 0.7 });
    opacity.addEventListener('input', () => on.opacity(Number(opacity.value)));
    this.blink = h('input', { type: 'range', min: 0, max: 4, step: 1, value: 0, id: 'blink' });
    this.hertz = h('output', {}, 'off');
    this.blink.addEventListener('input', () => on.blink(Number(this.blink.value)));
    this.root = h('details', { open: true }, h('summary', {}, 'Display'),
      row('Bands', combo), row('Stretch', stretch), row('Brightness', gamma),
      row('One stretch', shared), row('Match dates', matched), row('Score (H)', this.score), row('Its opacity', opacity),
      h('div', { class: 'row slider' }, h('span', {}, 'Blink'), this.blink, this.hertz),
      new ShiftRow(nudge).root);
  }

  showBlink(hertz) {
    this.blink.value = hertz;
    this.hertz.textContent = hertz ? `${hertz} Hz` : 'off';
  }

  showScore(on) {
    this.score.checked = on;
  }
}
