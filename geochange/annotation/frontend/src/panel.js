// The panel at the right, section by section.
import { DisplaySection } from './displaysection.js';
import { h } from './dom.js';
import { ModelSection } from './modelsection.js';
import { NotesSection } from './notessection.js';
import { ReviewSection } from './reviewsection.js';
import { TileSection } from './tilesection.js';

function section(title, extra, ...content) {
  return h('section', {}, h('h2', {}, title, extra), ...content);
}

export class Panel {
  constructor(page) {
    const { lists, on } = page;
    this.page = page;
    this.tile = new TileSection(page);
    this.display = new DisplaySection(page);
    this.model = new ModelSection(page);
    this.review = new ReviewSection(page);
    this.notes = new NotesSection(page);
    this.threshold = h('input', { type: 'range', id: 'threshold', min: 0, max: 1, step: 0.01, value: on.threshold(), 'aria-label': 'Score threshold' });
    this.thresholdText = h('output', {});
    this.threshold.addEventListener('input', () => on.setThreshold(Number(this.threshold.value)));
    this.root = h('aside', { class: 'panel' },
      this.tile.root,
      this.review.root,
      section('Candidates', lists.candidateCount,
        h('div', { class: 'row slider' }, h('span', {}, 'Score ≥'), this.threshold, this.thresholdText), lists.candidates),
      section('Labels', lists.labelCount, lists.labels),
      section('Class', null, lists.classes),
      this.display.root,
      this.notes.root,
      this.model.root);
  }

  render(position) {
    if (!this.page.model.tile) return;
    this.tile.render(position);
    this.review.render();
    const threshold = this.page.on.threshold();
    if (document.activeElement !== this.threshold) this.threshold.value = threshold;
    this.thresholdText.textContent = threshold.toFixed(2);
    this.model.render();
  }
}
