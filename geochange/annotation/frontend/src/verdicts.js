// Going from candidate to candidate and from tile to tile, one verdict after the other.
import { toast } from './dom.js';
import { DONE } from './model.js';
import { bounds } from './pixels.js';
import { stateName } from './words.js';

const AROUND_PX = 40;

export class Verdicts {
  constructor({ model, views, selection, actions, tools, tour, lists }) {
    Object.assign(this, { model, views, selection, actions, tools, tour, lists });
    this.confirmed = null;
  }

  choose(key) {
    this.selection.set(key ? [key] : []);
    const one = this.selection.find(key);
    if (!one) return;
    const [left, bottom, right, top] = bounds(one.geom);
    const [l, b, r, t] = this.views.view.calculateExtent(this.views.main.map.getSize());
    const outside = left < l || bottom < b || right > r || top > t;
    if (outside) this.views.view.animate({ center: [(left + right) / 2, (bottom + top) / 2], duration: 150 });
  }

  step(direction) {
    const list = this.lists.shown();
    if (!list.length) return this.choose(null);
    const at = list.findIndex((one) => `c${one.id}` === this.selection.first);
    const to = at < 0 ? (direction > 0 ? 0 : list.length - 1) : (at + direction + list.length) % list.length;
    return this.choose(`c${list[to].id}`);
  }

  judge(verdict) {
    const order = this.lists.shown();
    const at = order.findIndex((one) => `c${one.id}` === this.selection.first);
    const ahead = at < 0 ? null : order[at + 1] ?? order[at - 1] ?? null;
    this.actions.judge(verdict, (key) => {
      if (key === null) this.step(1);
      else if (key[0] === 'c') this.choose(ahead && this.model.candidates.has(ahead.id) ? `c${ahead.id}` : null);
    });
  }

  zoomTo() {
    const one = this.selection.find(this.selection.first);
    if (!one) return;
    const [left, bottom, right, top] = bounds(one.geom);
    const around = Math.max(AROUND_PX, right - left, top - bottom);
    this.views.fit([left - around, bottom - around, right + around, top + around], { duration: 200 });
  }

  async finish(state) {
    const { tile } = this.model;
    if (this.model.reviewable(tile)) {
      if (state === 'labelled') await this.approve();
      else toast('Approve this tile (Enter) or send it back (R).');
      return;
    }
    if (DONE.has(tile.state)) {
      if (state === 'labelled') await this.tour.next();
      else this.refuse(tile.id);
      return;
    }
    this.tools.keep();
    const open = this.actions.open().length;
    const marked = this.actions.marked().length;
    if (state === 'no_change' && marked) {
      toast(`${marked} labels are marked here; delete or reject them first, or press Enter.`, 'warn');
      return;
    }
    if (state === 'labelled' && open && this.confirmed !== this.model.active) {
      this.confirmed = this.model.active;
      toast(`${open} candidate${open > 1 ? 's are' : ' is'} undecided. Enter again rejects ${open > 1 ? 'them' : 'it'} and goes on.`, 'warn');
      return;
    }
    this.confirmed = null;
    this.actions.finish(state);
    toast(`Tile ${tile.number}: ${stateName(state)}`, 'good');
    await this.tour.next();
  }

  refuse(id) {
    toast(`Tile ${this.model.tiles.get(id).number} is done; open it again (R) to change it.`, 'warn');
  }

  // A reviewer's yes; with changes by the reviewer it counts as fixed.
  async approve() {
    this.tools.keep();
    const { tile } = this.model;
    const fixed = this.model.touched(tile.id);
    const marked = this.actions.marked().length > 0;
    const state = tile.state === 'no_change' && marked ? 'labelled' : tile.state;
    this.actions.setTile(fixed ? 'fix' : 'approve', { state, review: fixed ? 'fixed' : 'approved', remark: '' });
    toast(`Tile ${tile.number}: ${fixed ? 'fixed' : 'approved'}`, 'good');
    await this.tour.next();
  }

  async sendBack(remark) {
    const { tile } = this.model;
    this.actions.setTile('return', { state: 'returned', review: '', remark });
    toast(`Tile ${tile.number}: sent back to ${tile.author}`, 'good');
    await this.tour.next();
  }

  reopen() {
    const { tile, project } = this.model;
    if (!DONE.has(tile.state)) return;
    if (tile.review && !project.reviewer) {
      toast(`Tile ${tile.number} is ${tile.review}; a reviewer can open it again.`, 'warn');
      return;
    }
    this.actions.setTile('reopen', { state: 'todo', review: '' });
    toast(`Tile ${tile.number} is open again.`);
  }

  note() {
    const { first, keys } = this.selection;
    const label = keys.size === 1 && first[0] === 'a' ? this.selection.find(first) : null;
    return (label ?? this.model.tile)?.note ?? '';
  }
}
