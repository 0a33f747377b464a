// Help, the card for a clash of edits, and the word that goes with a tile that is sent back.
import { byId, h, icon } from './dom.js';
import { KEYS } from './keys.js';

const WORDS = new Set(['and', 'or', 'arrows', '/', '–']);
const keyCap = (part) => (WORDS.has(part) ? ` ${part} ` : [h('kbd', {}, part), ' ']);

export function helpDialog() {
  const dialog = h('dialog', { class: 'help', 'aria-label': 'Keys' },
    h('div', { class: 'line' }, h('h1', {}, 'Keys'), h('button', { class: 'mini', 'aria-label': 'Close', onclick: () => dialog.close() }, icon('cross'))),
    h('div', { class: 'columns' }, KEYS.map(([title, keys]) =>
      h('section', {}, h('h2', {}, title), h('dl', {}, keys.map(([key, what]) => [h('dt', {}, key.split(' ').map(keyCap)), h('dd', {}, what)]))))),
    h('p', { class: 'facts' }, 'Keys rest while you type. Every edit is saved at once and can be undone, also after a reload.'));
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  return dialog;
}

export function clashCard(clash, resolve) {
  const names = { tile: 'this tile', annotation: 'this label' };
  const { target } = clash.item.edit.ops[0];
  const when = clash.when ? new Date(clash.when).toLocaleTimeString() : '';
  const dialog = h('dialog', { class: 'clash', 'aria-label': 'Two edits of the same' },
    h('h1', {}, 'Two edits of the same'),
    h('p', {}, `${clash.by || 'Someone'} changed ${names[target]} ${when ? `at ${when}` : ''}, on another page, before your edit (${clash.item.edit.kind}) arrived.`),
    h('div', { class: 'group' },
      ...[['theirs', 'Keep theirs'], ['mine', 'Keep mine'], ['both', 'Keep both']]
        .filter(([choice]) => choice !== 'both' || target === 'annotation')
        .map(([choice, text]) => h('button', { 'data-choice': choice, onclick: () => {
          dialog.close();
          dialog.remove();
          resolve(choice);
        } }, text))));
  dialog.addEventListener('cancel', (event) => event.preventDefault());
  return dialog;
}

export function sendBackDialog(tile, send) {
  const text = h('textarea', { rows: 3, maxLength: 2000, required: true, id: 'remark', placeholder: 'What is to be changed?', 'aria-label': 'What is to be changed' });
  const submit = () => {
    if (!text.value.trim()) {
      text.focus();
      return;
    }
    dialog.close();
    send(text.value.trim());
  };
  const dialog = h('dialog', { class: 'clash', 'aria-label': 'Send the tile back' },
    h('h1', {}, `Send tile ${tile.number} back to ${tile.author}`), text,
    h('div', { class: 'group' },
      h('button', { onclick: () => dialog.close() }, 'Cancel'),
      h('button', { class: 'no', id: 'send', onclick: submit }, 'Send back ', h('kbd', {}, '↵'))));
  text.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey) return;
    event.preventDefault();
    submit();
  });
  dialog.addEventListener('close', () => dialog.remove());
  byId('app').append(dialog);
  dialog.showModal();
  text.focus();
}
