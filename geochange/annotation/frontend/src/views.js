// Two maps on one view: swipe, side by side, flicker, difference; a crosshair mirrored between them.
import OlMap from 'ol/Map.js';
import View from 'ol/View.js';
import { defaults } from 'ol/interaction/defaults.js';
import { getRenderPixel } from 'ol/render.js';
import { h } from './dom.js';

export const MODES = ['swipe', 'side', 'flicker', 'difference'];
export const MODE_NAMES = { swipe: 'Swipe', side: 'Side by side', flicker: 'Flicker', difference: 'Difference' };
const FINEST = 1 / 32;

export class Views extends EventTarget {
  constructor(world, dates, score, labels, names) {
    super();
    this.mode = 'swipe';
    this.split = 0.5;
    this.shown = 'after';
    this.held = null;
    this.shift = [0, 0];
    this.world = world;
    this.score = score;
    this.box = h('div', { class: 'maps' });
    this.view = new View({
      projection: world.projection,
      center: [world.extent[2] / 2, world.extent[1] / 2],
      resolution: 1,
      maxResolution: 2 ** world.levels * 2,
      minResolution: FINEST,
      extent: world.extent,
      constrainOnlyCenter: true,
      showFullExtent: true,
    });
    this.maps = ['main', 'second'].map((name) => this.makeMap(name, dates, labels));
    [this.main, this.second] = this.maps;
    this.makeSwipe(names);
    this.makeTags(names);
    this.makeCrosshair();
    this.arrange();
  }

  makeMap(name, dates, labels) {
    const target = h('div', { class: `map ${name}` });
    this.box.append(target);
    const before = dates.before.add('before');
    const after = dates.after.add('after');
    const score = this.score.add();
    const [frame, shapes] = labels.add();
    const map = new OlMap({
      target,
      view: this.view,
      controls: [],
      interactions: defaults({ doubleClickZoom: false, keyboard: false, altShiftDragRotate: false, pinchRotate: false, shiftDragZoom: false }),
      layers: [before, after, score, frame, shapes],
      pixelRatio: Math.min(window.devicePixelRatio, 2),
    });
    const made = { name, target, map, before, after, score, frame, shapes };
    after.on('prerender', (event) => this.clip(event));
    after.on('postrender', ({ context }) => context?.restore());
    return made;
  }

  clip(event) {
    const { context } = event;
    if (!context) return;
    context.save();
    this.clipToSwipe(event, context);
    const [from, to] = [[0, 0], this.shift.map((px) => px / event.frameState.viewState.resolution)].map((pixel) => getRenderPixel(event, pixel));
    context.translate(to[0] - from[0], to[1] - from[1]);
  }

  clipToSwipe(event, context) {
    if (!this.swiping || event.frameState.viewState === undefined || this.main.after !== event.target) return;
    const [width, height] = this.main.map.getSize();
    const x = width * this.split;
    const corners = [[x, 0], [width, 0], [width, height], [x, height]].map((pixel) => getRenderPixel(event, pixel));
    context.beginPath();
    corners.forEach(([px, py], n) => (n ? context.lineTo(px, py) : context.moveTo(px, py)));
    context.closePath();
    context.clip();
  }

  get swiping() {
    return this.mode === 'swipe' && this.held === null;
  }

  makeSwipe(names) {
    const bar = h('div', { class: 'bar', role: 'slider', tabIndex: 0, 'aria-label': 'Swipe between the dates', 'aria-valuemin': '0', 'aria-valuemax': '100' },
      h('span', { class: 'grip' }));
    bar.addEventListener('pointerdown', (event) => {
      bar.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    bar.addEventListener('pointermove', (event) => {
      if (!bar.hasPointerCapture(event.pointerId)) return;
      const { left, width } = this.main.target.getBoundingClientRect();
      this.setSplit((event.clientX - left) / width);
    });
    this.bar = bar;
    this.main.target.append(bar);
    this.names = names;
  }

  makeTags(names) {
    const tag = (where, text) => h('div', { class: `tag ${where}` }, text);
    this.tags = {
      left: tag('left', names.before),
      right: tag('right', names.after),
      second: tag('left', names.after),
    };
    this.main.target.append(this.tags.left, this.tags.right);
    this.second.target.append(this.tags.second);
  }

  makeCrosshair() {
    for (const own of this.maps) {
      own.cross = h('div', { class: 'cross' });
      own.target.append(own.cross);
    }
    this.maps.forEach((own, n) => {
      const other = this.maps[1 - n];
      own.target.addEventListener('pointermove', (event) => {
        const { left, top } = own.target.getBoundingClientRect();
        own.cross.hidden = true;
        other.cross.hidden = this.mode !== 'side';
        other.cross.style.transform = `translate(${event.clientX - left}px, ${event.clientY - top}px)`;
        const place = own.map.getCoordinateFromPixel([event.clientX - left, event.clientY - top]);
        if (place) this.dispatchEvent(new CustomEvent('pointer', { detail: place }));
      });
      own.target.addEventListener('pointerleave', () => {
        other.cross.hidden = true;
      });
      other.cross.hidden = true;
    });
  }

  setSplit(share) {
    this.split = Math.min(Math.max(share, 0), 1);
    this.arrange();
  }

  setMode(mode) {
    this.mode = mode;
    this.setFlicker(0);
    if (mode !== 'flicker') this.shown = 'after';
    this.arrange();
    this.dispatchEvent(new Event('mode'));
  }

  // While held, the before date shows everywhere.
  hold(date) {
    this.held = date;
    this.arrange();
  }

  toggle() {
    if (this.mode !== 'flicker') {
      this.setMode('flicker');
      this.shown = 'before';
    } else {
      this.shown = this.shown === 'after' ? 'before' : 'after';
    }
    this.arrange();
  }

  setFlicker(hertz) {
    clearInterval(this.timer);
    this.hertz = hertz;
    if (hertz) this.timer = setInterval(() => this.toggle(), 500 / hertz);
    this.dispatchEvent(new Event('mode'));
  }

  arrange() {
    const { main, second, mode } = this;
    const side = mode === 'side';
    this.box.dataset.mode = mode;
    second.target.hidden = !side;
    const single = this.held ?? (mode === 'flicker' ? this.shown : null);
    // Layers stay loaded: what is not shown is only transparent.
    main.before.setOpacity(1);
    main.after.setOpacity(side ? (this.held ? 0 : 0) : single === 'before' ? 0 : 1);
    second.before.setOpacity(this.held === 'before' ? 1 : 0);
    second.after.setOpacity(1);
    second.before.setZIndex(this.held === 'before' ? 1 : 0);
    main.target.classList.toggle('difference', mode === 'difference' && this.held === null);
    this.bar.hidden = !this.swiping;
    this.bar.style.left = `${this.split * 100}%`;
    this.bar.setAttribute('aria-valuenow', Math.round(this.split * 100));
    const { before, after } = this.names;
    const left = single ? (single === 'before' ? before : after) : mode === 'difference' ? 'difference' : before;
    this.tags.left.textContent = left;
    this.tags.left.dataset.date = single ?? (mode === 'difference' ? 'both' : 'before');
    this.tags.right.hidden = !this.swiping;
    this.tags.second.textContent = this.held === 'before' ? before : after;
    this.tags.second.dataset.date = this.held === 'before' ? 'before' : 'after';
    this.tags.right.dataset.date = 'after';
    for (const { map } of this.maps) {
      map.updateSize();
      map.render();
    }
  }

  setScore(visible, opacity) {
    for (const { score } of this.maps) {
      score.setVisible(visible);
      score.setOpacity(opacity);
    }
  }

  // Columns and rows by which the after date is shown beside its place.
  setShift(shift) {
    this.shift = shift;
    for (const { after } of this.maps) after.changed();
  }

  setLabels(visible) {
    for (const { shapes } of this.maps) shapes.setVisible(visible);
  }

  fit(extent, { padding = 40, maxZoomIn = 1 / 8, duration = 0 } = {}) {
    this.view.fit(extent, { size: this.main.map.getSize(), padding: [padding, padding, padding, padding], minResolution: maxZoomIn, duration });
  }

  pan(dx, dy) {
    const [x, y] = this.view.getCenter();
    const step = this.view.getResolution() * 120;
    this.view.animate({ center: [x + dx * step, y + dy * step], duration: 90 });
  }

  zoom(factor) {
    this.view.animate({ resolution: this.view.getConstrainedResolution(this.view.getResolution() * factor), duration: 120 });
  }
}
