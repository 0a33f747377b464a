// Several pairs behind one link: which one this is, how far the others are, and where to go on.
import { get } from './api.js';
import { h, toast } from './dom.js';

const WAIT_MS = 100;

export class Pairs {
  constructor({ model, tour }) {
    this.model = model;
    this.list = [];
    this.here = Number(location.pathname.match(/\/p\/(\d+)\/$/)?.[1] ?? 1) - 1;
    this.root = h('select', { class: 'pairs', id: 'pairs', hidden: true, 'aria-label': 'Pair' });
    this.root.addEventListener('change', () => this.go(Number(this.root.value)));
    tour.addEventListener('end', () => this.goOn());
    model.addEventListener('saved', ({ detail }) => {
      if (this.list.length && detail.ops.some((op) => op.target === 'tile')) this.refresh();
    });
  }

  async refresh() {
    const { pairs } = await get('api/pairs').catch(() => ({ pairs: this.list }));
    this.list = pairs;
    this.root.hidden = pairs.length < 2;
    document.querySelector('.brand .name').hidden = !this.root.hidden;
    this.root.replaceChildren(...pairs.map(({ name, done, total }, n) =>
      h('option', { value: String(n) }, `${done === total ? '✓ ' : ''}${name} · ${done} / ${total}`)));
    this.root.value = String(this.here);
  }

  // Where to go on: for a reviewer where tiles wait, else the pair with the unsurest tile to do.
  next() {
    const { reviewer } = this.model.project;
    const others = this.list.map((pair, n) => ({ ...pair, n })).filter(({ n }) => n !== this.here);
    const waiting = reviewer ? others.filter((pair) => pair.waiting) : [];
    const open = others.filter(({ done, total }) => done < total).sort((a, b) => b.unsure - a.unsure || a.n - b.n);
    return [...waiting, ...open][0]?.n ?? null;
  }

  async goOn() {
    await this.refresh();
    const next = this.next();
    if (next === null) return;
    toast(`Nothing is left for you in this pair; going on with ${this.list[next].name}.`, 'good');
    setTimeout(() => this.go(next), 1200);
  }

  // What is unsent is sent first; it would wait for the next visit to this pair otherwise.
  async go(n) {
    this.model.send();
    for (let left = 30; left && this.model.waiting; left--) await new Promise((done) => { setTimeout(done, WAIT_MS); });
    location.href = `../${n + 1}/`;
  }
}
