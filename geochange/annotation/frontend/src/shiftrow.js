// The panel's row that shifts the after date in the tile at hand, as it is shown.
import { h, icon } from './dom.js';

export class ShiftRow {
  constructor(nudge) {
    this.nudge = nudge;
    this.boxes = [['dx', '→', 'to the right'], ['dy', '↓', 'down']].map(([id, arrow, way]) => {
      const box = h('input', { type: 'number', id, step: 0.25, min: -100, max: 100, title: `Columns or rows that the after date is shown ${way} of its place (Shift+arrows)`, 'aria-label': `Shift ${way}, px` });
      box.addEventListener('input', () => box.value !== '' && nudge.set(...this.boxes.map(([one]) => Number(one.value))));
      box.addEventListener('keydown', (event) => event.key === 'Enter' && box.blur());
      return [box, h('label', { class: 'arrow' }, arrow, box)];
    });
    this.clear = h('button', { class: 'mini', title: 'No shift', 'aria-label': 'No shift', onclick: () => nudge.set(0, 0) }, icon('cross'));
    this.root = h('div', { class: 'row shift' }, h('span', {}, 'Shift after'), ...this.boxes.map(([, label]) => label), this.clear);
    nudge.addEventListener('change', () => this.render());
    this.render();
  }

  render() {
    this.nudge.shift.forEach((value, n) => {
      const [box] = this.boxes[n];
      if (document.activeElement !== box) box.value = value;
    });
    this.clear.style.visibility = this.nudge.shift.some(Boolean) ? 'visible' : 'hidden';
  }
}
