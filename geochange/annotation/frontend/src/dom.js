// Elements without markup: text is always text.

export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'class') node.className = value;
    else if (name === 'style') Object.assign(node.style, value);
    else if (name === 'vars') for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
    else if (name in node && typeof value !== 'string') node[name] = value;
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

export const byId = (id) => document.getElementById(id);

const ICONS = {
  select: 'M5 3l14 8-6 1.5L10 19z',
  edit: 'M4 17l4-10 9 2 3 8zM4 17h0M8 7h0M17 9h0M20 17h0',
  draw: 'M5 18l3-11 10 3-2 9zM15 5l4 4',
  hole: 'M4 5h16v14H4zM9 9h6v6H9z',
  brush: 'M14 4l6 6-8 7-5-5zM7 12c-3 1-2 5-5 7 4 1 8 1 10-2',
  erase: 'M9 19h11M4 14l8-9 7 6-7 8H8z',
  wand: 'M4 20L14 10M16 3v4M14 5h4M20 9v3M18.5 10.5h3M10 4v2M9 5h2',
  superpixel: 'M3 5l6-1 4 3 8-2M3 12l5-2 5 2 8-1M3 19l7-2 4 2 7-1M9 4l-1 6 2 7M13 7v5l1 7M19 6v5l1 7',
  split: 'M4 6h16v12H4zM15 3L9 21',
  merge: 'M3 7h9v9H3zM12 11h9v9h-9z',
  remove: 'M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13',
  undo: 'M9 6L4 11l5 5M4 11h10a6 6 0 010 9h-3',
  redo: 'M15 6l5 5-5 5M20 11H10a6 6 0 000 9h3',
  help: 'M9 9a3 3 0 116 0c0 2-3 2.500-3 5M12 18h0',
  eye: 'M2 12c5-8 15-8 20 0-5 8-15 8-20 0zM12 9a3 3 0 110 6 3 3 0 010-6z',
  fit: 'M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5',
  flag: 'M6 21V4h12l-3 4 3 4H6',
  simplify: 'M3 17l5-10 4 6 4-8 5 12',
  check: 'M4 12l5 6L20 6',
  cross: 'M5 5l14 14M19 5L5 19',
  next: 'M9 5l7 7-7 7',
  previous: 'M15 5l-7 7 7 7',
};

export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

let timer = 0;
export function toast(message, kind = 'info') {
  const box = byId('toast');
  box.textContent = message;
  box.className = `toast shown ${kind}`;
  clearTimeout(timer);
  timer = setTimeout(() => box.classList.remove('shown'), kind === 'error' ? 6000 : 3200);
}
