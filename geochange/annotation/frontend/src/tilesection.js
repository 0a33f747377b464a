// The panel's section of the tile at hand: what it is, why it is here, what people say of it.
import { h, icon } from './dom.js';
import { DONE } from './model.js';
import { REASONS, stateName } from './words.js';

export class TileSection {
  constructor({ model, tour, on }) {
    Object.assign(this, { model, tour, on });
    this.title = h('h2', {});
    this.state = h('span', { class: 'badge' });
    this.facts = h('p', { class: 'facts' });
    this.flag = h('button', { class: 'mini', title: 'Flag this tile (F)', 'aria-label': 'Flag this tile', onclick: on.flag }, icon('flag'));
    this.note = h('input', { class: 'comment', id: 'comment', type: 'text', maxLength: 2000, placeholder: 'Comment (C)', 'aria-label': 'Comment' });
    this.note.addEventListener('change', () => on.note(this.note.value));
    this.note.addEventListener('keydown', (event) => event.key === 'Enter' && this.note.blur());
    this.remark = h('p', { class: 'remark', id: 'returned', hidden: true });
    this.root = h('section', { class: 'tile' }, h('div', { class: 'line' }, this.title, this.state, this.flag), this.remark, this.facts, this.note);
  }

  render(position) {
    const { tile, order } = this.model;
    this.title.textContent = `Tile ${tile.number}`;
    this.state.textContent = [stateName(tile.state), tile.review].filter(Boolean).join(', ');
    this.state.dataset.state = tile.review || tile.state;
    this.remark.hidden = !tile.remark;
    this.remark.textContent = `${tile.state === 'returned' ? 'Sent back' : 'The reviewer said'}: ${tile.remark}`;
    const facts = [`${position + 1} of ${order.length} in the queue`];
    if (REASONS[tile.reason]) facts.push(REASONS[tile.reason]);
    const by = DONE.has(tile.state) && tile.author !== this.model.project.annotator;
    if (by) facts.push(`labelled by ${tile.author}`);
    if (tile.dx || tile.dy) facts.push(`misregistered: after date shown shifted by ${tile.dx}, ${tile.dy} px`);
    if (this.tour.asked && this.model.writable(tile)) facts.push(this.tour.minutes ? `yours for ${this.tour.minutes} min` : 'not yours');
    this.facts.textContent = facts.join(' · ');
    this.flag.classList.toggle('on', Boolean(tile.flag));
    this.flag.setAttribute('aria-pressed', String(Boolean(tile.flag)));
    if (document.activeElement !== this.note) this.note.value = this.on.noteText();
  }
}
