// The panel's section for reviewers: what waits for them, and how everybody labels.
import { get } from './api.js';
import { h } from './dom.js';
import { DONE } from './model.js';

const percent = (share) => `${Math.round(100 * share)} %`;

// Lines of a person: what became of the tiles, pace, honeypots.
function lines({ done, approved, fixed, returned, seconds, hurry, answered, agreement, iou }) {
  const pace = [
    seconds !== null && [`${Math.round(seconds)} s a tile`, 'Median time from tile to tile'],
    hurry && [`${percent(hurry)} in a hurry`, 'Candidates accepted in less than 0.7 s'],
  ];
  const checks = answered ? [
    [`honeypots ${Math.round(agreement * answered)} of ${answered}`, 'Tiles whose answer is known: same verdict'],
    iou !== null && [`IoU ${iou.toFixed(2)}`, 'Overlap of the change marked in honeypots with the reference'],
  ] : [];
  const tiles = [
    [`${done} done`, 'Tiles'], [`${approved} approved`, 'As they were'],
    fixed && [`${fixed} fixed`, 'By a reviewer'], returned && [`${returned} sent back`, 'Times a tile was sent back'],
  ];
  return [tiles, pace, checks].map((parts) => parts.filter(Boolean)).filter((parts) => parts.length);
}

export class ReviewSection {
  constructor({ model }) {
    this.model = model;
    this.count = h('span', { class: 'count', id: 'towards' });
    this.table = h('dl', { class: 'people', id: 'people' });
    this.root = h('details', { id: 'review', hidden: !model.project.reviewer }, h('summary', {}, 'Review ', this.count), this.table);
    this.root.addEventListener('toggle', () => this.refresh());
    model.addEventListener('saved', () => this.refresh());
  }

  async refresh() {
    if (!this.root.open) return;
    const { people } = await get('api/people').catch(() => ({ people: null }));
    if (!people) return;
    this.table.replaceChildren(...people.flatMap((one) => [
      h('dt', {}, one.annotator),
      ...lines(one).map((parts) => h('dd', {}, parts.flatMap(([text, title], n) => [n ? ' · ' : '', h('span', { title }, text)]))),
    ]));
    if (!people.length) this.table.append(h('dd', {}, 'Nobody has finished a tile yet.'));
  }

  render() {
    if (this.root.hidden) return;
    const tiles = [...this.model.tiles.values()];
    const waiting = tiles.filter((tile) => this.model.reviewable(tile)).length;
    const seen = tiles.filter((tile) => DONE.has(tile.state) && tile.review).length;
    this.count.textContent = `${waiting} waiting · ${seen} reviewed`;
  }
}
