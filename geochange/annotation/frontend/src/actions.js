// What a person can do to labels; each is one edit, so one undo takes it back.
import { post } from './api.js';
import { Refused } from './api.js';
import { toast } from './dom.js';
import { bounds } from './pixels.js';

const FAST_SECONDS = 0.7;
const FAST_IN_A_ROW = 15;
const MOST_REJECTS = 500;

export class Actions {
  constructor(model, selection) {
    this.model = model;
    this.selection = selection;
    this.label = model.project.schema.classes[0].id;
    this.quick = 0;
    this.lastVerdict = 0;
  }

  // A candidate's label has an id of its own, so that two people cannot judge it twice unnoticed.
  idOf(key) {
    return key[0] === 'c' ? `cand-${key.slice(1)}` : key.slice(1);
  }

  opFor(key, changes) {
    const one = this.selection.find(key);
    if (key[0] === 'a') {
      const state = this.model.state('annotation', one.id);
      return { target: 'annotation', id: one.id, tile: one.tile, after: { ...state, ...changes } };
    }
    const state = { geom: one.geom, class: this.label, verdict: 'accepted', source: 'model', candidate: one.id, confidence: null, note: '' };
    return { target: 'annotation', id: this.idOf(key), tile: one.tile, after: { ...structuredClone(state), ...changes } };
  }

  judge(verdict, next) {
    const keys = [...this.selection.keys].filter((key) => this.selection.find(key));
    if (!keys.length) {
      next(null);
      return;
    }
    const edit = keys.map((key) => this.opFor(key, { verdict }));
    if (!this.model.edit(verdict === 'accepted' ? 'accept' : 'reject', edit)) return;
    this.guard(verdict);
    next(keys[0]);
  }

  // Many yeses in no time are rarely looked at.
  guard(verdict) {
    const now = performance.now();
    const fast = verdict === 'accepted' && (now - this.lastVerdict) / 1000 < FAST_SECONDS;
    this.quick = fast ? this.quick + 1 : 0;
    this.lastVerdict = now;
    if (this.quick >= FAST_IN_A_ROW) {
      this.quick = 0;
      toast(`${FAST_IN_A_ROW} accepted in a row, quickly. Are they all right? Ctrl+Z takes them back.`, 'warn');
    }
  }

  setClass(id) {
    this.label = id;
    const changed = this.selection.all.filter(([key, one]) => key[0] === 'a' && one.class !== id);
    if (changed.length) {
      this.model.edit('class', changed.map(([key]) => this.opFor(key, { class: id })));
    }
  }

  setNote(note) {
    const keys = [...this.selection.keys];
    if (keys.length) this.model.edit('note', keys.map((key) => this.opFor(key, { note })));
    else if (this.model.tile) this.setTile('note', { note });
  }

  remove() {
    const keys = [...this.selection.keys];
    const own = keys.filter((key) => key[0] === 'a');
    const model = keys.filter((key) => key[0] === 'c');
    const ops = own.map((key) => ({ ...this.opFor(key, {}), after: null }));
    ops.push(...model.map((key) => this.opFor(key, { verdict: 'rejected' })));
    if (ops.length && this.model.edit('delete', ops)) this.selection.set([]);
  }

  // Where a new polygon belongs: the active tile when it reaches into it, else where it begins.
  homeOf(geom) {
    const [left, bottom, right, top] = bounds(geom);
    const inside = (tile) =>
      tile && left < tile.col + tile.width && right > tile.col && -top < tile.row + tile.height && -bottom > tile.row;
    if (inside(this.model.tile)) return this.model.active;
    const found = [...this.model.tiles.values()].find(inside);
    return (found ?? this.model.tile).id;
  }

  create(kind, geom, source = 'manual') {
    const id = crypto.randomUUID();
    const after = { geom, class: this.label, verdict: 'accepted', source, candidate: null, confidence: null, note: '' };
    const made = this.model.edit(kind, [{ target: 'annotation', id, tile: this.homeOf(geom), after }]);
    if (made) this.selection.set([`a${id}`]);
  }

  reshape(kind, key, geom) {
    const one = this.selection.find(key);
    const source = key[0] === 'c' || one.source === 'model' ? 'model_edited' : one.source;
    const changes = { geom, source, ...(key[0] === 'c' ? { verdict: 'accepted' } : {}) };
    const op = this.opFor(key, changes);
    if (this.model.edit(kind, [op])) this.selection.set([`a${op.id}`]);
    else this.selection.labels.restore(key);
  }

  async compute(request) {
    try {
      return (await post('api/geometry', request)).geometries;
    } catch (error) {
      toast(error instanceof Refused ? error.message : 'This tool needs the server; it does not answer.', 'error');
      return null;
    }
  }

  async combine(kind, action, geometries, key, more = {}) {
    const found = await this.compute({ action, geometries, ...more });
    if (!found) return;
    if (!found.length) {
      toast('Nothing is left of the polygon; delete it with X.', 'warn');
      return;
    }
    this.reshape(kind, key, found[0]);
  }

  async merge() {
    const all = this.selection.all;
    if (all.length < 2) {
      toast('Select two or more polygons with Shift+click to merge them.');
      return;
    }
    const found = await this.compute({ action: 'union', geometries: all.map(([, one]) => one.geom) });
    if (!found) return;
    const [first, ...others] = all.map(([key]) => key);
    const kept = this.opFor(first, { geom: found[0], verdict: 'accepted', ...this.edited(first) });
    const ops = [kept];
    for (const key of others) {
      const op = this.opFor(key, { verdict: 'rejected' });
      ops.push(key[0] === 'a' ? { ...op, after: null } : op);
    }
    if (this.model.edit('merge', ops)) this.selection.set([`a${kept.id}`]);
  }

  edited(key) {
    const one = this.selection.find(key);
    return key[0] === 'c' || one.source === 'model' ? { source: 'model_edited' } : {};
  }

  async split(line) {
    const key = this.selection.first;
    const one = this.selection.find(key);
    if (!one) return;
    const found = await this.compute({ action: 'split', geometries: [one.geom], line });
    if (!found) return;
    const kept = this.opFor(key, { geom: found[0], verdict: 'accepted', ...this.edited(key) });
    const others = found.slice(1).map((geom) => ({ ...kept, id: crypto.randomUUID(), after: { ...structuredClone(kept.after), geom } }));
    if (this.model.edit('split', [kept, ...others])) this.selection.set([kept, ...others].map((op) => `a${op.id}`));
  }

  async simplify() {
    const key = this.selection.first;
    const one = this.selection.find(key);
    if (one) await this.combine('simplify', 'simplify', [one.geom], key, { tolerance: 1.5 });
  }

  setTile(kind, changes, more = []) {
    const { active } = this.model;
    const after = { ...this.model.state('tile', active), ...changes };
    return this.model.edit(kind, [...more, { target: 'tile', id: String(active), tile: active, after }]);
  }

  // Candidates of the tile that nobody has judged.
  open() {
    return [...this.model.candidates.values()].filter((one) => one.tile === this.model.active);
  }

  marked() {
    return [...this.model.annotations.values()].filter((one) => one.tile === this.model.active && one.verdict === 'accepted');
  }

  finish(state) {
    const rest = state === 'labelled' || state === 'no_change' ? this.open() : [];
    // Of very many, the state of the tile says it: what is open in it counts as rejected.
    const ops = rest.slice(0, rest.length > MOST_REJECTS ? 0 : undefined).map((one) => this.opFor(`c${one.id}`, { verdict: 'rejected' }));
    return this.setTile('tile', { state }, ops);
  }
}
