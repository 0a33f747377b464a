// The panel's section of the tile at hand: what it is, why it is here, what people say of it.
import { h, icon } from './dom.js';
import { DONE } from './model.js';
import { REASONS, stateName } from './words.js';

export class TileSection {
  constructor({ model, tour, nudge, on }) {
    Object.assign(this, { model, tour, nudge, on });
    this.title = h('h2', {});
    this.state = h('span', { class: 'badge' });
    this.facts = h('p', { class: 'facts' });
    this.flag = h('button', { class: 'mini', title: 'Flag this tile (F)', 'aria-label': 'Flag this tile', onclick: on.flag }, icon('flag'));
    this.note = h('input', { class: 'comment', id: 'comment', type: 'text', maxLength: 2000, placeholder: 'Comment (C)', 'aria-label': 'Comment' });
    this.note.addEventListener('change', () => on.note(this.note.value));
    this.note.addEventListener('keydown', (event) => event.key === 'Enter' && this.note.blur());
    this.remark = h('p', { class: 'remark', id: 'returned', hidden: true });
    this.shift = ['dx', 'dy'].map((name, n) => {
      const box = h('input', { type: 'number', id: name, step: 0.25, min: -100, max: 100, title: `Shift of the after date as it is shown, in px ${n ? 'down' : 'to the right'} (Shift+arrows)`, 'aria-label': name });
      box.addEventListener('input', () => box.value !== '' && nudge.set(...this.shift.map((one) => Number(one.value))));
      return box;
    });
    this.unshift = h('button', { class: 'mini', title: 'No shift', 'aria-label': 'No shift', onclick: () => nudge.set(0, 0) }, icon('cross'));
    nudge.addEventListener('change', () => this.renderShift());
    const shifting = h('div', { class: 'row shift' }, h('span', {}, 'Shift after'), ...this.shift, this.unshift);
    this.root = h('section', { class: 'tile' }, h('div', { class: 'line' }, this.title, this.state, this.flag), this.remark, this.facts, this.note, shifting);
  }

  renderShift() {
    this.nudge.shift.forEach((value, n) => {
      if (document.activeElement !== this.shift[n]) this.shift[n].value = value;
    });
    this.unshift.style.visibility = this.nudge.shift.some(Boolean) ? 'visible' : 'hidden';
  }

  render(position) {
    const { tile, order } = this.model;
    this.title.textContent = `Tile ${tile.id}`;
    this.state.textContent = [stateName(tile.state), tile.review].filter(Boolean).join(', ');
    this.state.dataset.state = tile.review || tile.state;
    this.remark.hidden = !tile.remark;
    this.remark.textContent = `${tile.state === 'returned' ? 'Sent back' : 'The reviewer said'}: ${tile.remark}`;
    const facts = [`${position + 1} of ${order.length} in the queue`];
    if (REASONS[tile.reason]) facts.push(REASONS[tile.reason]);
    const by = DONE.has(tile.state) && tile.author !== this.model.project.annotator;
    if (by) facts.push(`labelled by ${tile.author}`);
    if (this.tour.asked) facts.push(this.tour.minutes ? `yours for ${this.tour.minutes} min` : 'not yours');
    this.facts.textContent = facts.join(' · ');
    this.flag.classList.toggle('on', Boolean(tile.flag));
    this.flag.setAttribute('aria-pressed', String(Boolean(tile.flag)));
    this.renderShift();
    if (document.activeElement !== this.note) this.note.value = this.on.noteText();
  }
}
