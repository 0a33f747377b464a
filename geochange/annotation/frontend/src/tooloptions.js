// The small bar over the map: what the tool in use can be set to, and what it does.
import { h } from './dom.js';
import { TOOLS } from './tools.js';

const SET = new Set(['brush', 'wand', 'superpixel']);

export class ToolOptions {
  constructor(tools, project) {
    Object.assign(this, { tools, project });
    this.hint = h('div', { class: 'hint', id: 'hint' });
    this.bar = h('div', { class: 'options', id: 'options', hidden: true });
    this.root = h('div', { class: 'under' }, this.bar, this.hint);
  }

  kinds() {
    const { tools, project } = this;
    if (tools.name !== 'wand') return [];
    return ['score', 'difference'].map((kind) =>
      h('button', { role: 'radio', 'data-wand': kind, 'aria-checked': String(tools.wandOn === kind), disabled: kind === 'score' && !project.runs.length, onclick: () => tools.setWand(kind) }, kind));
  }

  render() {
    const { tools } = this;
    this.hint.textContent = tools.name === 'select' ? '' : TOOLS[tools.name].hint;
    this.bar.hidden = !SET.has(tools.name);
    if (this.bar.hidden) return;
    if (this.bar.contains(document.activeElement) && document.activeElement === this.slider) {
      this.slider.nextSibling.textContent = tools.setting.text;
      return;
    }
    const { name, value, min, max, step, text } = tools.setting;
    this.slider = h('input', { type: 'range', id: 'setting', min, max, step, 'aria-label': name });
    this.slider.value = value;
    this.slider.addEventListener('input', () => { tools.setting = Number(this.slider.value); });
    const keep = tools.found ? [h('button', { class: 'yes', onclick: () => tools.keep() }, 'Keep ', h('kbd', {}, '↵'))] : [];
    this.bar.replaceChildren(...this.kinds(), h('span', { class: 'count' }, name), this.slider, h('output', {}, text),
      h('kbd', {}, '['), h('kbd', {}, ']'), ...keep);
  }
}
