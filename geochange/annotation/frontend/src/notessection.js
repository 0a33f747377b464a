// The panel's list of all flags and comments, of tiles and of labels; a click goes there.
import { get } from './api.js';
import { h, icon } from './dom.js';

export class NotesSection {
  constructor({ model, tour, verdicts }) {
    Object.assign(this, { model, tour, verdicts });
    this.count = h('span', { class: 'count' });
    this.rows = h('ul', { class: 'rows', id: 'notes' });
    this.root = h('details', { id: 'notebook' }, h('summary', {}, 'Flags and comments ', this.count), this.rows);
    this.root.addEventListener('toggle', () => this.refresh());
    model.addEventListener('saved', ({ detail }) => {
      if (detail.ops.some((op) => op.after?.note || op.before?.note || op.target === 'tile')) this.refresh();
    });
  }

  async refresh() {
    if (!this.root.open) return;
    const { notes } = await get('api/notes').catch(() => ({ notes: null }));
    if (notes) this.render(notes);
  }

  render(notes) {
    this.count.textContent = notes.length;
    this.rows.replaceChildren(...notes.map((one) => this.row(one)));
    if (!notes.length) this.rows.append(h('li', { class: 'more' }, 'Nothing is flagged or commented.'));
  }

  row(one) {
    const text = [one.note, one.remark && `reviewer: ${one.remark}`].filter(Boolean).join(' · ');
    return h('li', { title: text, onclick: () => this.go(one) },
      one.flag ? h('span', { class: 'flagged' }, icon('flag')) : null,
      h('span', { class: 'what' }, h('b', {}, `${one.label ? 'Label in tile' : 'Tile'} ${one.tile}`), ` ${text}`),
      h('span', { class: 'count' }, one.annotator));
  }

  async go(one) {
    await this.tour.go(one.tile);
    if (one.label) this.verdicts.choose(`a${one.label}`);
  }
}
