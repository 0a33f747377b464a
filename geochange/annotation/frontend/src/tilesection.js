// The panel's section of the tile at hand: what it is, why it is here, what people say of it.
import { h, icon } from './dom.js';
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
    this.root = h('section', { class: 'tile' }, h('div', { class: 'line' }, this.title, this.state, this.flag), this.facts, this.note);
  }

  render(position) {
    const { tile, order } = this.model;
    this.title.textContent = `Tile ${tile.id}`;
    this.state.textContent = stateName(tile.state);
    this.state.dataset.state = tile.state;
    const facts = [`${position + 1} of ${order.length} in the queue`];
    if (REASONS[tile.reason]) facts.push(REASONS[tile.reason]);
    if (this.tour.asked) facts.push(this.tour.minutes ? `yours for ${this.tour.minutes} min` : 'not yours');
    this.facts.textContent = facts.join(' · ');
    this.flag.classList.toggle('on', Boolean(tile.flag));
    this.flag.setAttribute('aria-pressed', String(Boolean(tile.flag)));
    if (document.activeElement !== this.note) this.note.value = this.on.noteText();
  }
}
