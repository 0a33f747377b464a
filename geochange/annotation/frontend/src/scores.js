// How the newest run's score is shown: threshold, on or off, opacity.
import { toast } from './dom.js';

export class Scores extends EventTarget {
  constructor({ model, views, score, labels }) {
    super();
    Object.assign(this, { model, views, score, labels });
    this.threshold = model.project.runs[0]?.threshold ?? 0;
    this.on = false;
    score.view = () => (this.on ? { extent: views.view.calculateExtent(views.main.map.getSize()), resolution: views.view.getResolution() } : { extent: [0, 0, 0, 0], resolution: 1 });
    this.opacity = model.settings.opacity ?? 0.7;
  }

  // The newest run, at the threshold that its polygons have.
  showRun() {
    const [run] = this.model.project.runs;
    this.score.show(run?.id ?? null);
    this.setThreshold(run?.threshold ?? 0);
  }

  show(on) {
    this.on = on && Boolean(this.model.project.runs.length);
    if (on && !this.on) toast('There is no score yet; make pre-labels first.');
    if (this.on) this.score.catchUp();
    this.views.setScore(this.on, this.opacity);
    this.dispatchEvent(new Event('change'));
  }

  setOpacity(value) {
    this.opacity = value;
    this.views.setScore(this.on, value);
  }

  setThreshold(value) {
    this.threshold = value;
    this.labels.threshold = value;
    this.score.setThreshold(value);
    this.labels.sync();
    this.dispatchEvent(new Event('threshold'));
  }
}
