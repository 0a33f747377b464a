// Top bar and tool palette.
import { h, icon } from './dom.js';
import { MODES, MODE_NAMES } from './views.js';
import { TOOLS } from './tools.js';
import { duration } from './words.js';

export class TopBar {
  constructor({ model, pairs, on }) {
    this.model = model;
    const { project } = model;
    this.modes = new Map(MODES.map((mode) => [mode, h('button', { role: 'radio', 'data-mode': mode, onclick: () => on.mode(mode) }, MODE_NAMES[mode])]));
    this.link = h('button', { class: 'chip', id: 'link', onclick: on.flush, title: 'Send now (Ctrl+S)' });
    this.meter = h('progress', { max: 1, value: 0, 'aria-label': 'Tiles done' });
    this.done = h('span', { class: 'done', id: 'progress' });
    this.undo = h('button', { class: 'mini', title: 'Undo (Ctrl+Z)', 'aria-label': 'Undo', onclick: on.undo }, icon('undo'));
    this.redo = h('button', { class: 'mini', title: 'Redo (Ctrl+Shift+Z)', 'aria-label': 'Redo', onclick: on.redo }, icon('redo'));
    this.root = h('header', {},
      h('div', { class: 'brand' }, h('img', { src: 'static/icon.svg', alt: '', width: 22, height: 22 }),
        h('span', { class: 'name', title: project.name }, project.name)),
      pairs.root,
      h('div', { class: 'segments', role: 'radiogroup', 'aria-label': 'View' }, [...this.modes.values()]),
      h('div', { class: 'work' }, this.undo, this.redo),
      h('div', { class: 'progress' }, this.meter, this.done),
      this.link,
      h('span', { class: 'who', title: 'Labels are saved in this name' }, project.annotator),
      h('button', { class: 'mini', title: 'Keys (?)', 'aria-label': 'Help', onclick: on.help }, icon('help')));
  }

  showMode(mode) {
    for (const [name, button] of this.modes) button.setAttribute('aria-checked', String(name === mode));
  }

  showHistory() {
    this.undo.disabled = !this.model.made.length;
    this.redo.disabled = !this.model.undone.length;
  }

  showLink() {
    const { link, waiting, savedAt } = this.model;
    const time = savedAt?.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });
    const texts = {
      saved: waiting ? `Saving ${waiting} …` : savedAt ? `Saved ${time}` : 'All saved',
      saving: `Saving ${waiting} …`,
      lost: `No server · ${waiting} unsent`,
      locked: `New link needed · ${waiting} unsent`,
    };
    this.link.textContent = texts[link];
    this.link.dataset.state = link;
    this.link.dataset.waiting = waiting;
  }

  showProgress({ total, done, states, reviews, eta_seconds: eta, verdicts }) {
    this.meter.max = total;
    this.meter.value = done;
    const left = eta && done < total ? ` · ${duration(eta)} left` : '';
    const { reviewer } = this.model.project;
    const seen = (reviews.approved ?? 0) + (reviews.fixed ?? 0);
    this.done.textContent = `${done} / ${total} tiles${reviewer ? `, ${seen} reviewed` : left}`;
    this.done.dataset.done = done;
    this.done.title = `${states.no_change ?? 0} without change, ${states.unsure ?? 0} unsure, ${states.unusable ?? 0} unusable; ${verdicts.accepted ?? 0} labels`;
  }
}

export class Palette {
  constructor(on) {
    const tool = (name) => h('button', { 'data-tool': name, title: `${TOOLS[name].name} (${TOOLS[name].key})`, 'aria-label': TOOLS[name].name, onclick: () => on.tool(name) },
      icon(name), h('kbd', {}, TOOLS[name].key));
    const act = (name, title, key, action) => h('button', { title: `${title} (${key})`, 'aria-label': title, onclick: action }, icon(name), h('kbd', {}, key));
    this.tools = new Map(Object.keys(TOOLS).map((name) => [name, tool(name)]));
    this.root = h('nav', { class: 'palette', 'aria-label': 'Tools' }, [...this.tools.values()], h('hr'),
      act('merge', 'Merge the selected', 'J', on.merge), act('simplify', 'Simplify', 'Q', on.simplify), act('remove', 'Delete', 'X', on.remove));
  }

  show(name) {
    for (const [tool, button] of this.tools) button.setAttribute('aria-pressed', String(tool === name));
  }
}
