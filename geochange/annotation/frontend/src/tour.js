// Going from tile to tile: leases, and why there may be nothing left.
import { Lost, Refused, ask, post } from './api.js';
import { toast } from './dom.js';
import { tileExtent } from './pixels.js';
import { DONE } from './model.js';

const BEAT_MS = 30000;
const LEARN_MS = 8000;

export class Tour extends EventTarget {
  constructor(model, views) {
    super();
    Object.assign(this, { model, views });
    this.until = 0;
    this.asked = false;
    this.learnt = Date.now();
    setInterval(() => this.refresh(), BEAT_MS);
  }

  get position() {
    return Math.max(this.model.order.indexOf(this.model.active), 0);
  }

  get minutes() {
    return this.until ? Math.ceil((this.until - Date.now()) / 60000) : 0;
  }

  // What waits for this person, the most pressing first: reviews, own tiles that were sent back,
  // tiles to do, tiles that were sent back to others.
  wants() {
    const { project } = this.model;
    const mine = (tile) => tile.author === project.annotator;
    return [
      ...(project.reviewer ? [(tile) => this.model.reviewable(tile)] : []),
      (tile) => tile.state === 'returned' && mine(tile),
      (tile) => tile.state === 'todo',
      (tile) => tile.state === 'returned',
    ];
  }

  // The next tile of the queue that this person can work on and that nobody else has.
  find(from) {
    const { order, tiles, project } = this.model;
    const ahead = order.map((_, step) => tiles.get(order[(from + 1 + step + order.length) % order.length]));
    const free = ahead.filter((tile) => !tile.lease || tile.lease.holder === project.annotator);
    for (const wanted of this.wants()) {
      const found = free.find(wanted);
      if (found) return found.id;
    }
    return null;
  }

  async start(wanted) {
    const tile = this.model.tiles.get(wanted);
    const known = tile && !DONE.has(tile.state) && !this.model.project.reviewer;
    const pressing = known ? this.find(-1) : null;
    const first = pressing && this.model.tiles.get(pressing).state === 'returned' ? pressing : wanted;
    await this.go(known ? first : this.find(-1) ?? this.model.order[0]);
  }

  async next() {
    let found = this.find(this.position);
    if (found === null) {
      await this.model.reload(); // others may have gone on
      found = this.find(this.position);
    }
    if (found === null) this.explain();
    else if (found !== this.model.active) await this.go(found);
  }

  async back() {
    const { order } = this.model;
    await this.go(order[(this.position - 1 + order.length) % order.length]);
  }

  explain() {
    const { project } = this.model;
    const tiles = [...this.model.tiles.values()];
    const done = tiles.filter((tile) => DONE.has(tile.state)).length;
    const held = tiles.filter((tile) => !DONE.has(tile.state) && tile.lease && tile.lease.holder !== project.annotator);
    const who = [...new Set(held.map((tile) => tile.lease.holder))].join(', ');
    if (held.length) toast(`${done} of ${tiles.length} tiles are done; ${held.length} are held by ${who}.`, 'good');
    else toast(`All ${tiles.length} tiles are done${project.reviewer ? ', and nothing waits for your review' : ''}. Thank you.`, 'good');
    this.dispatchEvent(new Event('end'));
  }

  async go(id) {
    const left = this.model.active;
    this.dispatchEvent(new Event('leave'));
    this.model.active = id;
    this.model.since = performance.now();
    this.fit();
    this.dispatchEvent(new Event('go'));
    if (left && left !== id) this.release(left);
    await this.beat();
  }

  fit() {
    this.views.fit(tileExtent(this.model.tile), { padding: 28 });
    this.fitted = this.views.view.getResolution();
  }

  // Whether the view is still the one that showed the whole tile.
  get whole() {
    return this.fitted === this.views.view.getResolution();
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

  // Learns how far others are, and what else the queue holds now; not more often than it makes sense.
  async learn() {
    const now = Date.now();
    if (this.model.waiting || now - this.learnt < LEARN_MS) return;
    this.learnt = now;
    await this.model.loadTiles().catch(() => null);
  }

  // Keeps the lease, and learns how far others are.
  async refresh() {
    await this.beat();
    await this.learn();
  }

  async release(id) {
    await ask('DELETE', `api/tiles/${id}/lease`, { session: this.model.session }).catch(() => null);
  }
}
