// The panel's lists: candidates of the tile, its labels, the classes.
import { h, icon } from './dom.js';
import { area } from './pixels.js';

const MOST_ROWS = 150;
const SOURCES = { model: 'model', model_edited: 'model, edited', manual: 'drawn', wand: 'wand', imported: 'imported' };

export function pixels(count) {
  return count >= 1e4 ? `${(count / 1e3).toFixed(count >= 1e5 ? 0 : 1)}k px` : `${Math.round(count)} px`;
}

export class Lists {
  constructor(page) {
    const { model, selection, actions } = page;
    Object.assign(this, { page, model, selection, actions });
    this.candidates = h('ul', { class: 'rows', id: 'candidates' });
    this.labels = h('ul', { class: 'rows', id: 'labels' });
    this.classes = h('div', { class: 'classes', role: 'radiogroup', 'aria-label': 'Class' });
    this.candidateCount = h('span', { class: 'count' });
    this.labelCount = h('span', { class: 'count' });
  }

  get on() {
    return this.page.on;
  }

  // Candidates of the tile above the threshold, the likeliest first.
  shown() {
    return this.actions
      .open()
      .filter((one) => (one.score ?? 1) >= this.on.threshold())
      .sort((a, b) => (b.score ?? 0) - (a.score ?? 0) || a.id - b.id);
  }

  render() {
    const open = this.shown();
    const hidden = this.actions.open().length - open.length;
    this.candidateCount.textContent = `${open.length}${hidden ? ` (+${hidden} below)` : ''}`;
    const rows = open.slice(0, MOST_ROWS).map((one) => this.candidateRow(one));
    if (open.length > MOST_ROWS) rows.push(h('li', { class: 'more' }, `and ${open.length - MOST_ROWS} more`));
    if (!rows.length) rows.push(this.emptyRow(hidden));
    this.candidates.replaceChildren(...rows);
    const own = [...this.model.annotations.values()].filter((one) => one.tile === this.model.active);
    own.sort((a, b) => (a.verdict > b.verdict) - (a.verdict < b.verdict) || (a.updated < b.updated ? 1 : -1));
    const yes = own.filter((one) => one.verdict === 'accepted').length;
    this.labelCount.textContent = own.length - yes ? `${yes} · ${own.length - yes} rejected` : `${yes}`;
    this.labels.replaceChildren(...own.slice(0, MOST_ROWS).map((one) => this.labelRow(one)));
    if (!own.length) this.labels.append(h('li', { class: 'more' }, 'Nothing marked in this tile.'));
    this.renderClasses();
    this.renderSelection();
  }

  // Why there is nothing to judge, and what to do about it.
  emptyRow(hidden) {
    const say = (...content) => h('li', { class: 'more' }, ...content);
    if (hidden) return say(`${hidden} lie below the threshold.`);
    if (this.model.project.runs.length) return say('None left in this tile.');
    if (this.on.busy()) return say('The detector is at work …');
    return say('No detector has looked yet. ', h('button', { class: 'link', id: 'first', onclick: () => this.on.detect('auto') }, 'Make pre-labels'));
  }

  renderSelection() {
    for (const row of [...this.candidates.children, ...this.labels.children]) {
      const chosen = this.selection.keys.has(row.dataset.key);
      row.classList.toggle('chosen', chosen);
      if (chosen && row.dataset.key === this.selection.first) row.scrollIntoView({ block: 'nearest' });
    }
  }

  candidateRow(one) {
    const score = one.score ?? 0;
    const key = `c${one.id}`;
    const verdict = (name, title, kind) =>
      h('button', { class: `verdict ${kind}`, title, 'aria-label': title, onclick: (event) => {
        event.stopPropagation();
        this.selection.set([key]);
        this.on.judge(name);
      } }, icon(kind === 'yes' ? 'check' : 'cross'));
    return h('li', { 'data-key': key, onclick: () => this.on.choose(key) },
      h('span', { class: 'meter', vars: { '--share': `${Math.round(score * 100)}%` }, title: `score ${score.toFixed(3)}` },
        h('b', {}, score.toFixed(2))),
      h('span', { class: 'what' }, pixels(one.pixels)),
      verdict('accepted', 'Accept (A)', 'yes'),
      verdict('rejected', 'Reject (D)', 'no'));
  }

  labelRow(one) {
    const cls = this.model.classOf(one.class);
    const rejected = one.verdict === 'rejected';
    return h('li', { 'data-key': `a${one.id}`, class: rejected ? 'rejected' : '', onclick: () => this.on.choose(`a${one.id}`) },
      h('span', { class: 'swatch', vars: { '--colour': rejected ? '#8a93a0' : cls.colour } }),
      h('span', { class: 'what' }, h('b', {}, rejected ? 'rejected' : cls.name), ` ${SOURCES[one.source]}, ${pixels(area(one.geom))}`),
      one.note ? h('span', { class: 'note', title: one.note }, '✎') : null);
  }

  renderClasses() {
    const { classes } = this.model.project.schema;
    this.classes.replaceChildren(...classes.map((cls) =>
      h('button', { class: 'class', role: 'radio', title: cls.definition || cls.name, 'aria-checked': String(cls.id === this.actions.label),
        onclick: () => this.on.setClass(cls.id) },
        h('span', { class: 'swatch', vars: { '--colour': cls.colour } }), h('span', { class: 'name' }, cls.name), cls.key ? h('kbd', {}, cls.key) : null)));
  }
}
