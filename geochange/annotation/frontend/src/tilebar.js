// The bar below the map: verdicts of candidates, where one is, verdicts of the tile or its review.
import { h, icon } from './dom.js';
import { DONE } from './model.js';

function button(text, key, action, kind = '', id = null) {
  return h('button', { class: kind, id, onclick: action }, h('span', {}, text), key ? h('kbd', {}, key) : null);
}

export class TileBar {
  constructor({ model, on }) {
    this.model = model;
    this.accept = button('Accept', 'A', on.accept, 'yes');
    this.reject = button('Reject', 'D', on.reject, 'no');
    this.position = h('span', { class: 'position', id: 'position' });
    this.judging = h('div', { class: 'group' }, this.accept, this.reject);
    this.labelling = h('div', { class: 'group' },
      button('No change', '⇧↵', on.noChange, 'strong'), button('Tile done', '↵', on.done, 'strong'),
      button('Unsure', 'U', on.unsure), button('Unusable', 'K', on.unusable));
    this.approve = button('Approve', '↵', on.done, 'yes', 'approve');
    this.reviewing = h('div', { class: 'group' }, this.approve, button('Send back …', 'R', on.reopen, 'no', 'sendback'));
    this.reopening = h('div', { class: 'group' }, button('Open again', 'R', on.reopen, '', 'reopen'), button('Next', '↵', on.next, 'strong'));
    this.root = h('footer', {}, this.judging,
      h('div', { class: 'group' },
        h('button', { class: 'mini', title: 'Previous tile (Backspace)', 'aria-label': 'Previous tile', onclick: on.back }, icon('previous')),
        this.position,
        h('button', { class: 'mini', title: 'Next tile to do', 'aria-label': 'Next tile to do', onclick: on.next }, icon('next'))),
      this.labelling, this.reviewing, this.reopening);
  }

  show(position, total, some) {
    const { tile } = this.model;
    const done = Boolean(tile) && DONE.has(tile.state);
    const review = Boolean(tile) && this.model.reviewable(tile);
    this.position.textContent = `${position + 1} / ${total}`;
    this.labelling.hidden = done;
    this.reviewing.hidden = !review;
    this.reopening.hidden = !done || review;
    this.accept.disabled = !some || (done && !review);
    this.reject.disabled = this.accept.disabled;
    if (review) this.approve.firstChild.textContent = this.model.touched(tile.id) ? 'Sign as fixed' : 'Approve';
  }
}
