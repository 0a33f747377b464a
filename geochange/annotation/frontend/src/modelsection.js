// The panel's section of the queue and of where pre-labels come from. Other ways to get or better
// them come as parts of their own: `panel.model.add(element)`.
import { row } from './displaysection.js';
import { h, icon } from './dom.js';
import { ORDERS } from './words.js';

const JOBS = { levels: 'Overviews', prelabels: 'Pre-labels', improve: 'Learning', revise: 'New map' };

export class ModelSection {
  constructor({ model, on }) {
    Object.assign(this, { model, on });
    const order = h('select', { id: 'order' }, h('option', { value: '' }, 'keep'), Object.entries(ORDERS).map(([value, name]) => h('option', { value }, name)));
    order.addEventListener('change', () => order.value && on.order(order.value).finally(() => { order.value = ''; }));
    this.detector = h('select', { id: 'detector' });
    this.detect = h('button', { class: 'wide', onclick: () => on.detect(this.detector.value) }, 'Make pre-labels');
    this.runs = h('p', { class: 'facts' });
    this.jobs = h('div', { class: 'jobs' });
    this.parts = h('div', { class: 'parts' });
    this.root = h('details', {}, h('summary', {}, 'Queue and model'),
      row('Reorder', order), row('Detector', this.detector), this.detect, this.runs, this.parts, this.jobs);
  }

  add(part) {
    this.parts.append(part);
  }

  setDetectors({ methods, models }) {
    const group = (label, names) => h('optgroup', { label }, names.map((name) => h('option', { value: name }, name)));
    this.detector.replaceChildren(group('Methods', methods), ...(models.length ? [group('Networks', models)] : []));
  }

  render() {
    const [run] = this.model.project.runs;
    this.runs.textContent = run ? `Candidates by ${run.name}, run ${run.id}: ${run.candidates}${run.left_out ? `, ${run.left_out} left out on labels` : ''}` : 'No pre-labels yet.';
  }

  renderJobs(jobs) {
    const shown = jobs.filter((job) => job.state === 'running' || job.state === 'failed').slice(0, 3);
    this.detect.disabled = shown.some((job) => job.kind === 'prelabels' && job.state === 'running');
    this.jobs.replaceChildren(...shown.map((job) => jobLine(job, this.on.stopJob)));
  }
}

export function jobLine(job, stop) {
  const share = job.total ? Math.round((100 * job.done) / job.total) : 0;
  if (job.state === 'failed') return h('p', { class: 'job failed' }, job.message);
  return h('div', { class: 'job' }, h('span', {}, `${JOBS[job.kind] ?? job.kind}: ${job.stage || 'starting'} ${share} %`),
    h('progress', { max: 100, value: share }), stop ? h('button', { class: 'mini', title: 'Stop', 'aria-label': 'Stop', onclick: () => stop(job.id) }, icon('cross')) : null);
}
