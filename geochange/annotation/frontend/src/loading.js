// Labels and candidates of what is in view; of very many, the likeliest.
import { Lost } from './api.js';

const SETTLE_MS = 180;

export class Loader extends EventTarget {
  constructor(model, views) {
    super();
    Object.assign(this, { model, views, loaded: null, asked: 0, timer: 0 });
  }

  // What the map shows and the whole active tile, in pixels.
  box() {
    const { views, model: { tile } } = this;
    const [left, bottom, right, top] = views.view.calculateExtent(views.main.map.getSize());
    return [
      Math.min(left, tile.col), Math.min(-top, tile.row),
      Math.max(right, tile.col + tile.width), Math.max(-bottom, tile.row + tile.height),
    ];
  }

  later(force) {
    this.forced ||= force;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.load(this.forced);
      this.forced = false;
    }, SETTLE_MS);
  }

  async load(force = false) {
    if (!this.model.active) return;
    const box = this.box();
    const inside = this.loaded && box.every((v, n) => (n < 2 ? v >= this.loaded[n] : v <= this.loaded[n]));
    if (inside && !force) return;
    const [w, t] = [(box[2] - box[0]) / 4, (box[3] - box[1]) / 4];
    const wide = [box[0] - w, box[1] - t, box[2] + w, box[3] + t];
    const number = ++this.asked;
    try {
      await this.model.loadFeatures(wide);
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
      return;
    }
    if (number === this.asked) this.loaded = this.model.leftOut ? box : wide;
    this.dispatchEvent(new CustomEvent('crowd', { detail: this.model.leftOut }));
  }
}
