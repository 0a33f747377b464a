// The model learns from the labels: a section of the panel, and an offer when enough is new.
import { ask, get, post } from './api.js';
import { h, toast } from './dom.js';

const percent = (value) => value.toFixed(2);

export class Improver {
  constructor(page) {
    Object.assign(this, { page, facts: null, later: 0 });
    this.button = h('button', { class: 'wide', id: 'improve', onclick: () => (this.job ? this.page.on.stopJob(this.job.id) : this.start()) }, 'Improve the model');
    this.anyway = h('button', { class: 'wide', id: 'improve-anyway', hidden: true, onclick: () => this.start({ use: this.facts.last.number }) }, 'Use the new model anyway');
    this.every = h('input', { type: 'number', id: 'improve-every', min: 1, max: 10000 });
    this.every.addEventListener('change', () => this.setEvery(Number(this.every.value)));
    this.text = h('p', { class: 'facts', id: 'improvement' });
    page.panel.model.add(h('div', { class: 'improver' }, this.button, this.text, this.anyway,
      h('label', { class: 'row' }, h('span', {}, 'Offer after'), h('span', {}, this.every, ' new tiles'))));
    this.offered = h('span', {});
    this.offer = h('div', { class: 'offer', id: 'offer', role: 'status', hidden: true }, this.offered,
      h('button', { class: 'yes', onclick: () => this.start() }, 'Improve the model'),
      h('button', { onclick: () => this.postpone() }, 'Later'));
  }

  watch() {
    const { model, jobs } = this.page;
    model.addEventListener('saved', ({ detail }) => detail.ops.some((op) => op.target === 'tile') && this.refresh());
    jobs.addEventListener('news', () => this.render());
    jobs.addEventListener('end', () => this.refresh());
    return this.refresh();
  }

  get job() {
    return this.page.jobs.list.find((job) => job.kind === 'improve' && job.state === 'running');
  }

  async refresh() {
    this.facts = await get('api/improvement').catch(() => this.facts);
    this.render();
  }

  async start(choice = {}) {
    try {
      await post('api/improvement', choice);
      this.offer.hidden = true;
      this.page.jobs.watch();
    } catch (error) {
      toast(error.message, 'error');
    }
  }

  async setEvery(every) {
    try {
      this.facts = await ask('PUT', 'api/improvement', { every });
    } catch (error) {
      toast(error.message, 'error');
    }
    this.render();
  }

  postpone() {
    this.later = this.facts.fresh + this.facts.every;
    this.render();
  }

  render() {
    const { facts } = this;
    if (!facts) return;
    const busy = Boolean(this.job);
    if (facts.fresh < facts.every) this.later = 0;
    this.offer.hidden = busy || !facts.offer || facts.fresh < this.later;
    this.offered.textContent = `${facts.fresh} newly labelled tiles`;
    this.button.disabled = !busy && facts.labelled < facts.least;
    this.button.textContent = busy ? 'Stop learning' : 'Improve the model';
    this.button.title = facts.labelled < facts.least ? `${facts.least} labelled tiles are needed` : 'Train on the labels in the background, then detect again';
    if (document.activeElement !== this.every) this.every.value = facts.every;
    this.anyway.hidden = busy || !facts.last || facts.last.better || facts.last.used;
    this.text.textContent = [`${facts.labelled} labelled tiles, ${facts.fresh} of them new.`, this.tell(facts.last)].filter(Boolean).join(' ');
  }

  tell(last) {
    if (!last) return '';
    const before = last.before_f1 === null ? '' : `, before ${percent(last.before_f1)}`;
    const kept = last.better || last.used ? '' : '; the old one was kept';
    return `Model ${last.number}: F1 ${percent(last.f1)} on ${last.held_out.length} tiles held out${before}${kept}.`;
  }
}
