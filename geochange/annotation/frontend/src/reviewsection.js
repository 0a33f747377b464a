// The panel's section for reviewers: what waits for them, and how everybody labels.
import { get } from './api.js';
import { h } from './dom.js';
import { DONE } from './model.js';

const percent = (share) => (share === null ? '–' : `${Math.round(100 * share)} %`);
const COLUMNS = [
  ['', 'Who', ({ annotator }) => annotator],
  ['done', 'Tiles done', ({ done }) => done],
  ['ok', 'Approved as they were', ({ approved }) => approved],
  ['fixed', 'Fixed by a reviewer', ({ fixed }) => fixed],
  ['back', 'Times a tile was sent back', ({ returned }) => returned],
  ['s', 'Median seconds a tile', ({ seconds }) => (seconds === null ? '–' : Math.round(seconds))],
  ['hasty', 'Share of candidates accepted in less than 0.7 s', ({ hurry }) => percent(hurry)],
  ['agree', 'Honeypots: same verdict as the reference', ({ answered, agreement }) => (answered ? `${percent(agreement)} of ${answered}` : '–')],
  ['IoU', 'Honeypots: overlap of the change marked with the reference', ({ iou }) => (iou === null ? '–' : iou.toFixed(2))],
];

export class ReviewSection {
  constructor({ model }) {
    this.model = model;
    this.count = h('span', { class: 'count', id: 'towards' });
    this.table = h('table', { class: 'people', id: 'people' });
    this.root = h('details', { id: 'review', hidden: !model.project.reviewer }, h('summary', {}, 'Review ', this.count), this.table);
    this.root.addEventListener('toggle', () => this.refresh());
    model.addEventListener('saved', () => this.refresh());
  }

  async refresh() {
    if (!this.root.open) return;
    const { people } = await get('api/people').catch(() => ({ people: null }));
    if (!people) return;
    if (!people.length) {
      this.table.replaceChildren(h('caption', {}, 'Nobody has finished a tile yet.'));
      return;
    }
    this.table.replaceChildren(
      h('tr', {}, COLUMNS.map(([name, title]) => h('th', { title, scope: 'col' }, name))),
      ...people.map((one) => h('tr', {}, COLUMNS.map(([, , tell]) => h('td', {}, String(tell(one)))))));
  }

  render() {
    if (this.root.hidden) return;
    const tiles = [...this.model.tiles.values()];
    const waiting = tiles.filter((tile) => this.model.reviewable(tile)).length;
    const seen = tiles.filter((tile) => DONE.has(tile.state) && tile.review).length;
    this.count.textContent = `${waiting} waiting · ${seen} reviewed`;
  }
}
