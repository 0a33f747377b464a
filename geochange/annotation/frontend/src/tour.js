// Going from tile to tile: leases, and why there may be nothing left.
import { Lost, Refused, ask, post } from './api.js';
import { toast } from './dom.js';
import { tileExtent } from './pixels.js';
import { DONE } from './model.js';

const BEAT_MS = 30000;

export class Tour extends EventTarget {
  constructor(model, views) {
    super();
    Object.assign(this, { model, views });
    this.until = 0;
    this.asked = false;
    setInterval(() => this.beat(), BEAT_MS);
  }

  get position() {
    return Math.max(this.model.order.indexOf(this.model.active), 0);
  }

  get minutes() {
    return this.until ? Math.ceil((this.until - Date.now()) / 60000) : 0;
  }

  // The next tile of the queue that is to do and that nobody else has.
  find(from) {
    const { order, tiles } = this.model;
    for (let step = 1; step <= order.length; step++) {
      const tile = tiles.get(order[(from + step) % order.length]);
      const held = tile.lease && tile.lease.holder !== this.model.project.annotator;
      if (!DONE.has(tile.state) && !held) return tile.id;
    }
    return null;
  }

  async start(wanted) {
    const known = this.model.tiles.has(wanted) && !DONE.has(this.model.tiles.get(wanted).state);
    await this.go(known ? wanted : this.find(-1) ?? this.model.order[0]);
  }

  async next() {
    const found = this.find(this.position);
    if (found === null || (found === this.model.active && DONE.has(this.model.tile.state))) this.explain();
    else if (found !== this.model.active) await this.go(found);
  }

  async back() {
    const { order } = this.model;
    await this.go(order[(this.position - 1 + order.length) % order.length]);
  }

  explain() {
    const tiles = [...this.model.tiles.values()];
    const done = tiles.filter((tile) => DONE.has(tile.state)).length;
    const held = tiles.filter((tile) => !DONE.has(tile.state) && tile.lease && tile.lease.holder !== this.model.project.annotator);
    const who = [...new Set(held.map((tile) => tile.lease.holder))].join(', ');
    toast(held.length ? `${done} of ${tiles.length} tiles are done; ${held.length} are held by ${who}.` : `All ${tiles.length} tiles are done. Thank you.`, 'good');
  }

  async go(id) {
    const left = this.model.active;
    this.model.active = id;
    this.model.since = performance.now();
    this.fit();
    this.dispatchEvent(new Event('go'));
    if (left && left !== id) this.release(left);
    await this.beat();
  }

  fit() {
    this.views.fit(tileExtent(this.model.tile), { padding: 28 });
  }

  async beat() {
    const { active, session } = this.model;
    try {
      const lease = await post(`api/tiles/${active}/lease`, { session });
      this.until = Date.now() + lease.seconds * 1000;
    } catch (error) {
      if (error instanceof Refused && error.status === 423) {
        toast(error.message, 'warn');
        const tile = this.model.tiles.get(active);
        tile.lease = { holder: error.facts.holder, seconds: error.facts.seconds };
      } else if (!(error instanceof Lost) && !(error instanceof Refused)) throw error;
      this.until = 0;
    }
    this.asked = true;
    this.dispatchEvent(new Event('lease'));
  }

  async release(id) {
    await ask('DELETE', `api/tiles/${id}/lease`, { session: this.model.session }).catch(() => null);
  }
}
