// What the page knows: project, tiles, labels, history. Every change goes through edit().
import { Lost, Refused, get, post } from './api.js';
import { Outbox } from './outbox.js';

export const DONE = new Set(['labelled', 'no_change', 'unsure', 'unusable']);
const RETRY_MS = [1000, 2000, 4000, 8000];
const HISTORY = 200;

export class Model extends EventTarget {
  async open() {
    this.project = await get('api/project');
    this.settings = this.project.settings;
    this.session = crypto.randomUUID();
    this.annotations = new Map();
    this.candidates = new Map();
    this.tiles = new Map();
    this.revs = new Map();
    this.active = null;
    this.view = 'swipe';
    this.since = performance.now();
    this.link = 'saved';
    this.savedAt = null;
    this.failures = 0;
    this.acknowledged = 0;
    this.outbox = await Outbox.open(`geochange-${this.project.uuid}`);
    await this.loadTiles();
    await this.loadHistory();
    this.replay();
    this.send();
    return this;
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  async loadTiles() {
    const { acknowledged } = this;
    const { tiles } = await get('api/tiles');
    // What was told while an edit was on its way may be older than the edit.
    if (acknowledged === this.acknowledged) this.setTiles(tiles);
    else await this.loadTiles();
  }

  setTiles(tiles) {
    this.order = tiles.map((tile) => tile.id);
    for (const tile of tiles) {
      this.tiles.set(tile.id, tile);
      this.revs.set(tile.id, tile.rev);
    }
    this.replay();
    this.tell('tiles');
  }

  async loadHistory() {
    const { undo, redo } = await get('api/history');
    this.undone = redo;
    this.made = undo;
    this.tell('history');
  }

  async loadFeatures(box, run) {
    const query = run ? `&run=${run}` : '';
    const found = await get(`api/features?box=${box.join(',')}${query}`);
    this.annotations = new Map(found.annotations.map((one) => [one.id, one]));
    this.candidates = new Map(found.candidates.map((one) => [one.id, { ...one, geom: JSON.parse(one.geom) }]));
    this.leftOut = found.left_out;
    this.replay();
    this.tell('features');
  }

  // Lays edits that the server does not have yet over what it told.
  replay() {
    for (const { edit } of this.outbox.items) for (const op of edit.ops) this.apply(op);
  }

  apply(op) {
    if (op.target === 'tile') {
      const tile = this.tiles.get(Number(op.id));
      if (!tile) return;
      if (!DONE.has(tile.state) && DONE.has(op.after.state)) tile.author = this.project.annotator;
      Object.assign(tile, op.after);
      return;
    }
    if (op.after === null) {
      this.annotations.delete(op.id);
    } else {
      const known = this.annotations.get(op.id) ?? { annotator: this.project.annotator };
      this.annotations.set(op.id, { ...known, id: op.id, tile: op.tile, ...structuredClone(op.after) });
      if (op.after.candidate !== null) this.hideCandidate(op.after.candidate);
    }
    if (op.after === null && op.before?.candidate) this.showCandidate(op.before.candidate);
  }

  hideCandidate(id) {
    const candidate = this.candidates.get(id);
    if (!candidate) return;
    this.judged ??= new Map();
    this.judged.set(id, candidate);
    this.candidates.delete(id);
  }

  showCandidate(id) {
    const used = [...this.annotations.values()].some((one) => one.candidate === id);
    const candidate = this.judged?.get(id);
    if (candidate && !used) this.candidates.set(id, candidate);
    else if (!candidate && !used) this.tell('stale');
  }

  state(target, id) {
    if (target === 'tile') {
      const { state, flag, note, dx, dy, review, remark } = this.tiles.get(Number(id));
      return { state, flag, note, dx, dy, review, remark };
    }
    const one = this.annotations.get(id);
    if (!one) return null;
    const { geom, verdict, source, candidate, confidence, note } = one;
    return structuredClone({ geom, class: one.class, verdict, source, candidate, confidence, note });
  }

  // Whether this person may approve a tile or send it back.
  reviewable(tile) {
    const { reviewer, annotator } = this.project;
    return reviewer && DONE.has(tile.state) && !tile.review && tile.author !== annotator;
  }

  // Whether its labels can be changed: when it is to do, or under the hand of its reviewer.
  writable(tile) {
    return !DONE.has(tile.state) || this.reviewable(tile);
  }

  // Whether this person has changed labels of a tile, and left it so.
  touched(id) {
    return this.made.some(({ ops }) => ops.some((op) => op.target === 'annotation' && op.tile === id));
  }

  // One gesture: shown at once, kept, sent, undoable. Null, and nothing happens, in a tile that is done.
  edit(kind, changes) {
    const ops = changes.map((op) => ({ before: this.state(op.target, op.id), ...op, id: String(op.id) }));
    const shut = ops.find((op) => op.target === 'annotation' && !this.writable(this.tiles.get(op.tile)));
    if (shut) {
      this.tell('shut', shut.tile);
      return null;
    }
    const now = performance.now();
    const seconds = Math.min((now - this.since) / 1000, 3600);
    this.since = now;
    const edit = { uuid: crypto.randomUUID(), kind, ops, view: this.view, seconds: Math.round(seconds * 10) / 10 };
    this.made.push({ uuid: edit.uuid, kind, ops });
    this.made.splice(0, this.made.length - HISTORY);
    this.undone = [];
    this.commit(edit);
    return edit;
  }

  undo() {
    const last = this.made.pop();
    if (!last) return null;
    this.undone.push(last);
    const ops = last.ops.map((op) => ({ ...op, before: op.after, after: op.before })).reverse();
    this.commit({ uuid: crypto.randomUUID(), kind: 'undo', undoes: last.uuid, ops, view: this.view, seconds: 0 });
    return last;
  }

  redo() {
    const last = this.undone.pop();
    if (!last) return null;
    this.made.push(last);
    this.commit({ uuid: crypto.randomUUID(), kind: 'redo', undoes: last.uuid, ops: last.ops, view: this.view, seconds: 0 });
    return last;
  }

  commit(edit) {
    edit = structuredClone({ ...edit, session: this.session });
    for (const op of edit.ops) this.apply(op);
    this.outbox.add(edit).then(() => this.send());
    this.tell('features');
    this.tell('tiles');
    this.tell('history');
    this.tell('link');
  }

  get waiting() {
    return this.outbox.items.length;
  }

  async send() {
    if (this.sending || this.conflict) return;
    this.sending = true;
    clearTimeout(this.retry);
    try {
      while (this.outbox.items.length && !this.conflict) await this.sendOne(this.outbox.items[0]);
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
      this.failures += 1;
      this.link = 'lost';
      this.retry = setTimeout(() => this.send(), RETRY_MS[Math.min(this.failures - 1, 3)]);
    } finally {
      this.sending = false;
      this.tell('link');
    }
  }

  async sendOne(item) {
    const { ops, ...edit } = item.edit;
    const tiles = [...new Set(ops.map((op) => (op.target === 'tile' ? Number(op.id) : op.tile)))];
    const base = Object.fromEntries(tiles.map((tile) => [tile, this.revs.get(tile)]));
    const sent = ops.map(({ before, ...op }) => op);
    if (!this.failures) this.link = 'saving';
    this.tell('link');
    try {
      const reply = await post('api/edits', { ...edit, base, ops: sent });
      this.acknowledged += 1;
      this.failures = 0;
      this.link = 'saved';
      this.savedAt = new Date(reply.saved);
      for (const [tile, rev] of Object.entries(reply.revs)) this.learnRev(Number(tile), rev);
      await this.outbox.drop(item);
      this.takeOver(ops, reply.states);
      this.tell('saved', item.edit);
      if (item.edit.kind === 'undo') this.tell('stale'); // candidates may be open again
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      await this.refused(item, error);
    }
  }

  learnRev(tile, rev) {
    this.revs.set(tile, rev);
    const known = this.tiles.get(tile);
    if (known) known.rev = rev;
  }

  // The server may have repaired a geometry; it is shown unless it has been changed since.
  takeOver(ops, states) {
    const later = new Set(this.outbox.items.flatMap(({ edit }) => edit.ops.map((op) => op.id)));
    ops.forEach((op, n) => {
      const one = this.annotations.get(op.id);
      if (op.target !== 'annotation' || !states[n] || !one || later.has(op.id)) return;
      if (same(one.geom, states[n].geom)) return;
      one.geom = states[n].geom;
      this.tell('features');
    });
  }

  async refused(item, error) {
    if (error.status === 403 && error.facts.tile === undefined) {
      this.link = 'locked';
      throw new Lost(error.message);
    }
    if (error.status === 409 && error.facts.states) {
      const { states, revs } = error.facts;
      const clash = item.edit.ops.some((op) => !same(states[`${op.target}:${op.id}`] ?? null, op.before ?? null));
      if (!clash) {
        for (const [tile, rev] of Object.entries(revs)) this.learnRev(Number(tile), rev);
        this.tell('stale');
        return;
      }
      this.conflict = { item, ...error.facts };
      this.tell('conflict', this.conflict);
      return;
    }
    await this.outbox.drop(item);
    this.made = this.made.filter((edit) => edit.uuid !== item.edit.uuid);
    this.tell('problem', error.message);
    await this.reload();
  }

  // mine: set it again on top of theirs; theirs: give mine up; both: keep theirs, mine as a copy.
  async resolve(choice) {
    const { item, states, revs } = this.conflict;
    for (const [tile, rev] of Object.entries(revs)) this.learnRev(Number(tile), rev);
    this.conflict = null;
    if (choice === 'mine') {
      for (const op of item.edit.ops) op.before = states[`${op.target}:${op.id}`] ?? null;
      await this.outbox.update(item);
    } else {
      const targets = new Set(item.edit.ops.map((op) => op.id));
      const gone = this.outbox.items.filter(({ edit }) => edit.ops.some((op) => targets.has(op.id)));
      for (const one of gone) await this.outbox.drop(one);
      const lost = new Set(gone.map(({ edit }) => edit.uuid));
      this.made = this.made.filter((edit) => !lost.has(edit.uuid));
    }
    if (choice !== 'mine') {
      for (const op of item.edit.ops) this.apply({ ...op, after: states[`${op.target}:${op.id}`] ?? null });
    }
    if (choice === 'both') {
      const copies = item.edit.ops
        .filter((op) => op.target === 'annotation' && op.after)
        .map((op) => ({ ...op, id: crypto.randomUUID(), before: null, after: { ...op.after, candidate: null } }));
      if (copies.length) this.edit(item.edit.kind === 'undo' ? 'draw' : item.edit.kind, copies);
    }
    await this.send();
    await this.reload();
  }

  async reload() {
    try {
      await this.loadTiles();
      if (!this.waiting) await this.loadHistory();
      this.tell('stale');
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
    }
  }

  get tile() {
    return this.tiles.get(this.active);
  }

  classOf(id) {
    return this.project.schema.classes.find((one) => one.id === id) ?? this.project.schema.classes[0];
  }
}

export function same(a, b) {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => same(a[key], b[key]));
}
