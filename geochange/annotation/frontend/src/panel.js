// The panel at the right: what this tile is, how it is shown, where pre-labels come from.
import { h, icon } from './dom.js';
import { STRETCH_NAMES } from './display.js';

const STATES = {
  todo: 'to do', labelled: 'done', no_change: 'no change', unsure: 'unsure', unusable: 'unusable',
  approved: 'approved', returned: 'sent back', gold: 'reference',
};
const ORDERS = {
  mix: 'Mix: unsure, unlike, random', uncertainty: 'Unsure first', diversity: 'Unlike first',
  random: 'Random', systematic: 'Row by row',
};
const REASONS = { uncertainty: 'the model is unsure here', diversity: 'unlike the others', random: 'a random check', systematic: '' };

export function stateName(state) {
  return STATES[state];
}

function section(title, extra, ...content) {
  return h('section', {}, h('h2', {}, title, extra), ...content);
}

function row(label, control) {
  return h('label', { class: 'row' }, h('span', {}, label), control);
}

export class Panel {
  constructor({ model, lists, display, on }) {
    Object.assign(this, { model, lists, display, on });
    this.tileTitle = h('h2', {});
    this.tileState = h('span', { class: 'badge' });
    this.tileFacts = h('p', { class: 'facts' });
    this.lease = h('span', { class: 'lease' });
    this.flag = h('button', { class: 'mini', title: 'Flag this tile (F)', 'aria-label': 'Flag this tile', onclick: on.flag }, icon('flag'));
    this.note = h('input', { class: 'comment', id: 'comment', type: 'text', maxLength: 2000, placeholder: 'Comment (C)', 'aria-label': 'Comment' });
    this.note.addEventListener('change', () => on.note(this.note.value));
    this.note.addEventListener('keydown', (event) => event.key === 'Enter' && this.note.blur());
    this.threshold = h('input', { type: 'range', id: 'threshold', min: 0, max: 1, step: 0.01, value: on.threshold(), 'aria-label': 'Score threshold' });
    this.thresholdText = h('output', {});
    this.threshold.addEventListener('input', () => on.setThreshold(Number(this.threshold.value)));
    this.jobs = h('div', { class: 'jobs' });
    this.root = h('aside', { class: 'panel' },
      h('section', { class: 'tile' }, h('div', { class: 'line' }, this.tileTitle, this.tileState, this.flag), this.tileFacts, this.note),
      section('Candidates', lists.candidateCount,
        h('div', { class: 'row slider' }, h('span', {}, 'Score ≥'), this.threshold, this.thresholdText), lists.candidates),
      section('Labels', lists.labelCount, lists.labels),
      section('Class', null, lists.classes),
      this.makeDisplay(),
      this.makeQueue());
  }

  makeDisplay() {
    const { display, on } = this;
    const select = (names, value, change) => {
      const made = h('select', {}, names.map((name) => h('option', { value: name }, name)));
      made.value = value;
      made.addEventListener('change', () => change(made.value));
      return made;
    };
    this.combo = select(display.combos().map((one) => one.name), display.combo, (value) => on.display({ combo: value }));
    this.combo.id = 'bands';
    const stretch = select(STRETCH_NAMES, display.stretch, (value) => on.display({ stretch: value }));
    stretch.id = 'stretch';
    const gamma = h('input', { type: 'range', min: 0.4, max: 2.5, step: 0.1, value: display.gamma, id: 'gamma' });
    gamma.addEventListener('change', () => on.display({ gamma: Number(gamma.value) }));
    const shared = h('input', { type: 'checkbox', checked: display.shared, disabled: this.model.project.stretch.shared === null });
    shared.addEventListener('change', () => on.display({ shared: shared.checked }));
    const matched = h('input', { type: 'checkbox', id: 'matched', checked: display.matched, disabled: !display.matchable, title: 'Show the after date with the histogram of the before date; the data stay as they are' });
    matched.addEventListener('change', () => on.display({ matched: matched.checked }));
    this.scoreOn = h('input', { type: 'checkbox', id: 'score' });
    this.scoreOn.addEventListener('change', () => on.score(this.scoreOn.checked));
    this.opacity = h('input', { type: 'range', min: 0.1, max: 1, step: 0.05, value: 0.7 });
    this.opacity.addEventListener('input', () => on.opacity(Number(this.opacity.value)));
    const blink = h('input', { type: 'range', min: 0, max: 4, step: 1, value: 0, id: 'blink' });
    const hertz = h('output', {}, 'off');
    blink.addEventListener('input', () => {
      hertz.textContent = blink.value === '0' ? 'off' : `${blink.value} Hz`;
      on.blink(Number(blink.value));
    });
    this.blink = [blink, hertz];
    return h('details', { open: true }, h('summary', {}, 'Display'),
      row('Bands', this.combo), row('Stretch', stretch), row('Brightness', gamma),
      row('One stretch', shared), row('Match dates', matched), row('Score (H)', this.scoreOn), row('Its opacity', this.opacity),
      h('div', { class: 'row slider' }, h('span', {}, 'Blink'), blink, hertz));
  }

  showBlink(hertz) {
    this.blink[0].value = hertz;
    this.blink[1].textContent = hertz ? `${hertz} Hz` : 'off';
  }

  makeQueue() {
    const { on } = this;
    const order = h('select', { id: 'order' }, h('option', { value: '' }, 'keep'), Object.entries(ORDERS).map(([value, name]) => h('option', { value }, name)));
    order.addEventListener('change', () => order.value && on.order(order.value).finally(() => { order.value = ''; }));
    this.detector = h('select', { id: 'detector' });
    this.detect = h('button', { class: 'wide', onclick: () => on.detect(this.detector.value) }, 'Make pre-labels');
    this.runs = h('p', { class: 'facts' });
    return h('details', {}, h('summary', {}, 'Queue and model'),
      row('Reorder', order), row('Detector', this.detector), this.detect, this.runs, this.jobs);
  }

  setDetectors({ methods, models }) {
    const group = (label, names) => h('optgroup', { label }, names.map((name) => h('option', { value: name }, name)));
    this.detector.replaceChildren(group('Methods', methods), ...(models.length ? [group('Networks', models)] : []));
  }

  render(position) {
    const { tile } = this.model;
    if (!tile) return;
    this.tileTitle.textContent = `Tile ${tile.id}`;
    this.tileState.textContent = STATES[tile.state];
    this.tileState.dataset.state = tile.state;
    const facts = [`${position + 1} of ${this.model.order.length} in the queue`];
    if (REASONS[tile.reason]) facts.push(REASONS[tile.reason]);
    if (this.leaseText) facts.push(this.leaseText);
    this.tileFacts.textContent = facts.join(' · ');
    this.flag.classList.toggle('on', Boolean(tile.flag));
    this.flag.setAttribute('aria-pressed', String(Boolean(tile.flag)));
    if (document.activeElement !== this.note) this.note.value = this.on.noteText();
    this.thresholdText.textContent = Number(this.threshold.value).toFixed(2);
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
  return h('div', { class: 'job' }, h('span', {}, `${job.kind === 'levels' ? 'Overviews' : 'Pre-labels'}: ${job.stage || 'starting'} ${share} %`),
    h('progress', { max: 100, value: share }), stop ? h('button', { class: 'mini', title: 'Stop', 'aria-label': 'Stop', onclick: () => stop(job.id) }, icon('cross')) : null);
}
