// Runs looked at again: several become one, borders follow the images, a threshold from the labels.
import { post } from './api.js';
import { h, toast } from './dom.js';

const RULES = {
  mean: 'mean score', 'rank-mean': 'mean rank', vote: 'most agree', max: 'any finds it', min: 'all find it',
};
const METHODS = { guided: 'guided filter', superpixels: 'superpixels', contour: 'contours' };
const FEWEST = 2;

const choices = (id, names, label) => h('select', { id, 'aria-label': label }, Object.entries(names).map(([value, name]) => h('option', { value }, name)));
const share = (value, interval) => (value === null ? 'unknown' : `${value.toFixed(2)}${interval ? ` (${interval.map((one) => one.toFixed(2)).join('–')})` : ''}`);

export class Fusing {
  constructor(page) {
    Object.assign(this, { page, chosen: new Set(), shown: '' });
    const { on } = page;
    this.list = h('ul', { id: 'runs', 'aria-label': 'Runs' });
    this.rule = choices('fusion-rule', RULES, 'How runs are fused');
    this.fuse = h('button', { id: 'fuse', title: 'Fuse the ticked runs into a new one; verdicts stay', onclick: () => on.startJob('api/fusion', { runs: this.ticked, rule: this.rule.value }) }, 'Fuse');
    this.method = choices('refine-method', METHODS, 'How borders are refined');
    this.refine = h('button', { id: 'refine', onclick: () => on.startJob('api/refinement', { run: this.one, method: this.method.value }) }, 'Refine');
    this.precision = h('input', { type: 'number', id: 'precision', min: 0.05, max: 1, step: 0.05, value: '0.9' });
    this.tune = h('button', { id: 'tune', title: 'Set the score threshold to what the labels so far ask for', onclick: () => this.measure() }, 'Set threshold');
    this.told = h('p', { class: 'facts', id: 'tuned', role: 'status', hidden: true });
    this.root = h('div', { class: 'fusing', hidden: true }, this.list,
      h('div', { class: 'act' }, this.rule, this.fuse),
      h('div', { class: 'act' }, this.method, this.refine),
      h('div', { class: 'act' }, h('label', {}, 'Precision', this.precision), this.tune), this.told);
    page.panel.model.add(this.root);
  }

  get runs() {
    return this.page.model.project.runs;
  }

  get ticked() {
    return this.runs.map((run) => run.id).filter((id) => this.chosen.has(id));
  }

  // The run that is ticked alone, else the newest.
  get one() {
    return this.ticked.length === 1 ? this.ticked[0] : this.runs[0]?.id;
  }

  watch() {
    this.page.jobs.addEventListener('news', () => this.render());
    this.page.model.addEventListener('tiles', () => this.render());
    this.render();
  }

  tick(id, on) {
    if (on) this.chosen.add(id);
    else this.chosen.delete(id);
    this.render();
  }

  render() {
    const { runs } = this;
    this.root.hidden = !runs.length;
    const shown = runs.map((run) => run.id).join();
    if (shown !== this.shown) {
      this.shown = shown;
      this.told.hidden = true; // it was said of another run
      this.list.replaceChildren(...runs.map((run) => this.line(run)));
    }
    const busy = this.page.jobs.list.some((job) => job.kind === 'revise' && job.state === 'running');
    this.fuse.disabled = busy || this.ticked.length < FEWEST;
    this.refine.disabled = busy;
    this.refine.title = `Bring the borders of run ${this.one} to the edges of the images, as a new run`;
  }

  line(run) {
    const box = h('input', { type: 'checkbox', checked: this.chosen.has(run.id) });
    box.addEventListener('change', () => this.tick(run.id, box.checked));
    return h('li', {}, h('label', {}, box, h('span', { title: run.name }, `${run.id} · ${run.name}`), h('span', { class: 'count', title: 'Candidates' }, String(run.candidates))));
  }

  // The slider belongs to the newest run, and so does this.
  async measure() {
    const run = this.runs[0].id;
    this.tune.disabled = true;
    try {
      const found = await post('api/threshold', { run, precision: Number(this.precision.value) });
      if (run !== this.runs[0].id) return;
      this.page.on.setThreshold(found.threshold);
      const [{ threshold }] = this.runs;
      const below = found.threshold < threshold ? [`candidates were cut at ${threshold.toFixed(2)}; there are none between, only the score shows what lies there`] : [];
      this.say(`Threshold ${found.threshold.toFixed(2)}: precision ${share(found.precision, found.precision_interval)}, recall ${share(found.recall, found.recall_interval)} of labelled pixels`, ...below, ...found.doubts);
    } catch (error) {
      toast(error.message, 'error');
      this.say(error.message);
    } finally {
      this.tune.disabled = false;
    }
  }

  say(...lines) {
    this.told.replaceChildren(...lines.map((line) => h('span', {}, `${line[0].toUpperCase()}${line.slice(1)}.`)));
    this.told.hidden = false;
  }
}
