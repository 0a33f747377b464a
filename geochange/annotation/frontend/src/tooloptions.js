// The small bar over the map: what the tool in use can be set to, and what it does.
import { h } from './dom.js';
import { TOOLS } from './tools.js';

export class ToolOptions {
  constructor(tools, project) {
    Object.assign(this, { tools, project });
    this.hint = h('div', { class: 'hint', id: 'hint' });
    this.root = h('div', { class: 'options', id: 'options', hidden: true });
  }

  // Text of the setting that [ and ] change; undefined where there is none.
  size() {
    const { tools } = this;
    if (tools.name === 'brush') return `${tools.brushPx} px`;
    if (tools.name === 'wand') return tools.tolerance[tools.wandOn].toFixed(2);
    return undefined;
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
    const size = this.size();
    this.root.hidden = size === undefined;
    if (this.root.hidden) return;
    const keep = tools.found ? [h('button', { class: 'yes', onclick: () => tools.keep() }, 'Keep ', h('kbd', {}, '↵'))] : [];
    this.root.replaceChildren(...this.kinds(),
      h('button', { 'aria-label': 'Less', onclick: () => tools.step(-1) }, '['), h('output', {}, size),
      h('button', { 'aria-label': 'More', onclick: () => tools.step(1) }, ']'), ...keep);
  }
}
