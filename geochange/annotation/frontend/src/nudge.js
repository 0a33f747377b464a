// Moves what is shown of the after date in the tile at hand; the data stay as they are. The shift is
// kept with the tile, so that whoever uses the labels knows that the dates do not lie on one another.
const SETTLE_MS = 700;
const MOST_PX = 100;

export class Nudge extends EventTarget {
  constructor({ model, views, actions }) {
    super();
    Object.assign(this, { model, views, actions, waiting: null });
  }

  get shift() {
    const { tile } = this.model;
    return this.waiting ?? [tile?.dx ?? 0, tile?.dy ?? 0];
  }

  // Shows the shift of the tile at hand.
  show() {
    this.views.setShift(this.shift);
    this.dispatchEvent(new Event('change'));
  }

  set(dx, dy) {
    this.waiting = [dx, dy].map((value) => Math.min(Math.max(Math.round(value * 4) / 4, -MOST_PX), MOST_PX));
    this.show();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.keep(), SETTLE_MS);
  }

  by(dx, dy) {
    const [x, y] = this.shift;
    this.set(x + dx, y + dy);
  }

  // Many steps in a row are one edit.
  keep() {
    clearTimeout(this.timer);
    if (!this.waiting) return;
    const [dx, dy] = this.waiting;
    this.waiting = null;
    const { tile } = this.model;
    if (tile.dx !== dx || tile.dy !== dy) this.actions.setTile('nudge', { dx, dy });
  }
}
