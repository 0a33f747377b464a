// Drawing tools; one is on at a time, on both maps.
import Draw from 'ol/interaction/Draw.js';
import Modify from 'ol/interaction/Modify.js';
import PointerInteraction from 'ol/interaction/Pointer.js';
import Snap from 'ol/interaction/Snap.js';
import Collection from 'ol/Collection.js';
import Feature from 'ol/Feature.js';
import LineString from 'ol/geom/LineString.js';
import VectorLayer from 'ol/layer/Vector.js';
import VectorSource from 'ol/source/Vector.js';
import { altKeyOnly, singleClick } from 'ol/events/condition.js';
import { Circle, Fill, Stroke, Style } from 'ol/style.js';
import { Lost, post } from './api.js';
import { h, toast } from './dom.js';
import { area, toMap, toPixels, toPoint } from './pixels.js';
import { Superpixels } from './superpixels.js';

export const TOOLS = {
  select: { name: 'Select', key: 'Esc', hint: 'Click a polygon; Shift+click selects several.' },
  edit: { name: 'Edit vertices', key: 'E', hint: 'Drag a vertex or an edge; Alt+click removes a vertex.' },
  draw: { name: 'Polygon', key: 'N', hint: 'Click corners, double-click to finish; Backspace takes the last one back.' },
  hole: { name: 'Cut a hole', key: 'O', hint: 'Draw inside the selected polygon.' },
  brush: { name: 'Brush', key: 'B', hint: 'Paint; adds to the selected polygon, Alt erases.' },
  wand: { name: 'Magic wand', key: 'W', hint: 'Click a change; Shift+click adds, Enter keeps it.' },
  superpixel: { name: 'Superpixels', key: 'P', hint: 'Click or drag over regions; adds to the selected polygon, Alt takes away.' },
  split: { name: 'Split', key: 'S', hint: 'Draw a line across the selected polygon.' },
};
const TINY_PX = 4;
const SKETCH = new Style({
  stroke: new Stroke({ color: '#fff', width: 2, lineDash: [5, 4] }),
  fill: new Fill({ color: 'rgba(255,255,255,0.15)' }),
  image: new Circle({ radius: 4, fill: new Fill({ color: '#fff' }), stroke: new Stroke({ color: '#1c6dd0', width: 1.5 }) }),
});
const PREVIEW = new Style({
  stroke: new Stroke({ color: '#56e0c8', width: 2.5 }),
  fill: new Fill({ color: 'rgba(86,224,200,0.28)' }),
});

export class Tools extends EventTarget {
  constructor(views, labels, selection, actions, model) {
    super();
    Object.assign(this, { views, labels, selection, actions, model });
    this.name = 'select';
    this.brushPx = 12;
    this.tolerance = { score: 0.4, difference: 0.5 };
    this.wandOn = model.project.runs.length ? 'score' : 'difference';
    this.active = [];
    this.sketch = new VectorSource({ wrapX: false });
    this.preview = new VectorSource({ wrapX: false });
    for (const own of views.maps) {
      own.map.addLayer(new VectorLayer({ source: this.preview, style: PREVIEW, className: 'preview' }));
      own.map.addLayer(new VectorLayer({ source: this.sketch, style: (feature) => this.strokeStyle(feature), className: 'sketch' }));
      own.ring = h('div', { class: 'ring', hidden: true });
      own.target.append(own.ring);
      own.map.on('pointermove', (event) => this.moveRing(own, event.pixel));
      own.map.on('click', (event) => {
        if (this.name === 'wand') this.wave(toPoint(event.coordinate), event.originalEvent);
      });
    }
    this.superpixels = new Superpixels(this);
    views.view.on('change:resolution', () => this.sizeRing());
  }

  use(name) {
    if (['hole', 'split'].includes(name) && this.selection.keys.size !== 1) {
      toast(`${TOOLS[name].name}: select one polygon first.`);
      return;
    }
    this.stop();
    this.name = name;
    this.labels.editing = name === 'edit';
    this.labels.styles.clear();
    this.selection.enabled = ['select', 'edit'].includes(name);
    for (const own of this.views.maps) this.start(name, own);
    this.labels.source.changed();
    this.sizeRing();
    this.dispatchEvent(new Event('change'));
  }

  stop() {
    for (const [map, interaction] of this.active) map.removeInteraction(interaction);
    this.active = [];
    this.sketch.clear();
    this.preview.clear();
    this.found = null;
    this.superpixels.stop();
    for (const own of this.views.maps) own.ring.hidden = true;
  }

  add({ map }, interaction) {
    map.addInteraction(interaction);
    this.active.push([map, interaction]);
    return interaction;
  }

  start(name, own) {
    own.target.dataset.tool = name;
    if (name === 'edit') this.startEdit(own);
    if (name === 'draw') this.startDraw(own, 'Polygon', (geom) => this.drawn(geom));
    if (name === 'hole') this.startDraw(own, 'Polygon', (geom) => this.cut(geom));
    if (name === 'split') this.startDraw(own, 'LineString', (geom) => this.actions.split(geom.coordinates).then(() => this.use('select')));
    if (name === 'brush') this.startBrush(own);
    if (name === 'superpixel') this.superpixels.start(own);
    if (['draw', 'hole', 'edit', 'split'].includes(name)) this.add(own, new Snap({ source: this.labels.source, pixelTolerance: 8 }));
  }

  startDraw(own, type, done) {
    const draw = this.add(own, new Draw({ type, style: SKETCH, stopClick: true, minPoints: type === 'Polygon' ? 3 : 2 }));
    draw.on('drawend', ({ feature }) => setTimeout(() => done(toPixels(feature.getGeometry()))));
  }

  drawn(geom) {
    if (area(geom) < TINY_PX) toast(`That polygon is smaller than ${TINY_PX} px; it is easily lost.`, 'warn');
    this.actions.create('draw', geom);
  }

  cut(geom) {
    const key = this.selection.first;
    const one = this.selection.find(key);
    if (one) this.actions.combine('edit', 'subtract', [one.geom, geom], key);
  }

  startEdit(own) {
    const features = new Collection(this.selection.features);
    const modify = new Modify({ features, style: SKETCH, deleteCondition: (event) => altKeyOnly(event) && singleClick(event) });
    this.add(own, modify);
    let before = new Map();
    modify.on('modifystart', ({ features: touched }) => {
      before = new Map(touched.getArray().map((feature) => [feature.getId(), feature.getRevision()]));
    });
    modify.on('modifyend', ({ features: touched }) => {
      for (const feature of touched.getArray()) {
        if (feature.getRevision() === before.get(feature.getId())) continue;
        this.actions.reshape('edit', feature.getId(), toPixels(feature.getGeometry()));
      }
    });
    own.modified = features;
  }

  // The selection has changed: the vertices to drag are others.
  refresh() {
    if (this.name === 'edit') {
      for (const own of this.views.maps) {
        own.modified.clear();
        own.modified.extend(this.selection.features);
      }
    }
    if (this.name === 'superpixel') this.superpixels.load();
  }

  startBrush(own) {
    let line = null;
    this.add(own, new PointerInteraction({
      handleDownEvent: (event) => {
        if (event.originalEvent.button) return false;
        line = new Feature(new LineString([event.coordinate]));
        this.erasing = event.originalEvent.altKey;
        this.sketch.addFeature(line);
        return true;
      },
      handleDragEvent: (event) => line.getGeometry().appendCoordinate(event.coordinate),
      handleUpEvent: () => {
        const points = line.getGeometry().getCoordinates().map(toPoint);
        this.painted(points, line);
        return false;
      },
    }));
  }

  async painted(points, line) {
    const stroke = await this.actions.compute({ action: 'buffer', line: points, tolerance: this.brushPx / 2 });
    this.sketch.removeFeature(line);
    if (stroke?.length) await this.paint('brush', stroke, this.erasing);
  }

  // Adds to the selected polygon, or takes from it, or makes a new one where none is selected.
  async paint(kind, geometries, erasing) {
    const key = this.selection.first;
    const one = this.selection.find(key);
    if (erasing) {
      if (one) await this.actions.combine(kind, 'subtract', [one.geom, ...geometries], key);
      else toast('Select the polygon to take it from.');
    } else if (one) {
      await this.actions.combine(kind, 'union', [one.geom, ...geometries], key);
    } else {
      const whole = geometries.length > 1 ? await this.actions.compute({ action: 'union', geometries }) : geometries;
      if (whole?.length) this.actions.create(kind, whole[0], kind === 'superpixel' ? 'wand' : 'manual');
    }
  }

  strokeStyle() {
    const width = this.brushPx / this.views.view.getResolution();
    const color = this.erasing ? 'rgba(255,120,120,0.6)' : 'rgba(86,224,200,0.6)';
    return new Style({ stroke: new Stroke({ color, width, lineCap: 'round', lineJoin: 'round' }) });
  }

  moveRing(own, [x, y]) {
    own.ring.hidden = this.name !== 'brush';
    own.ring.style.left = `${x}px`;
    own.ring.style.top = `${y}px`;
  }

  sizeRing() {
    const size = Math.max(this.brushPx / this.views.view.getResolution(), 3);
    for (const { ring } of this.views.maps) {
      ring.style.width = `${size}px`;
      ring.style.height = `${size}px`;
    }
  }

  // What [ and ] and the slider change of the tool in use: the brush's size unless it has its own.
  get setting() {
    if (this.name === 'wand') return { name: 'Tolerance', value: this.tolerance[this.wandOn], min: 0.05, max: 0.95, step: 0.05, text: this.tolerance[this.wandOn].toFixed(2) };
    if (this.name === 'superpixel') return { name: 'Size', value: this.superpixels.sizePx, min: 6, max: 64, step: 2, text: `${this.superpixels.sizePx} px` };
    return { name: 'Size', value: this.brushPx, min: 2, max: 400, step: 1, text: `${this.brushPx} px` };
  }

  set setting(wanted) {
    const { min, max, step } = this.setting;
    const value = Math.min(Math.max(Math.round(wanted / step) * step, min), max);
    if (this.name === 'wand') {
      this.tolerance[this.wandOn] = Math.round(value * 100) / 100;
      if (this.seed) this.wave(this.seed, {});
    } else if (this.name === 'superpixel') {
      this.superpixels.setSize(value);
    } else {
      this.brushPx = value;
      this.sizeRing();
    }
    this.dispatchEvent(new Event('change'));
  }

  step(direction) {
    const { value, step } = this.setting;
    const brush = Math.max(1, Math.round(value * 0.22));
    this.setting = value + direction * (['wand', 'superpixel'].includes(this.name) ? step : brush);
  }

  setWand(on) {
    this.wandOn = on;
    if (this.seed) this.wave(this.seed, {});
    this.dispatchEvent(new Event('change'));
  }

  async wave(point, { shiftKey, altKey }) {
    this.seed = point;
    let geom;
    try {
      const request = { on: this.wandOn, x: point[0], y: point[1], tolerance: this.tolerance[this.wandOn] };
      geom = (await post('api/wand', request)).geom;
      if (this.found && (shiftKey || altKey)) {
        const action = shiftKey ? 'union' : 'subtract';
        geom = (await post('api/geometry', { action, geometries: [this.found, geom] })).geometries[0] ?? geom;
      }
    } catch (error) {
      toast(error instanceof Lost ? 'The wand needs the server; it does not answer.' : error.message, 'error');
      return;
    }
    if (this.name !== 'wand') return;
    this.found = geom;
    this.preview.clear();
    this.preview.addFeature(new Feature(toMap(geom)));
    this.dispatchEvent(new Event('change'));
  }

  // Keeps what the wand shows; tells whether there was anything.
  keep() {
    if (!this.found) return false;
    this.actions.create('wand', this.found, 'wand');
    this.found = null;
    this.seed = null;
    this.preview.clear();
    this.dispatchEvent(new Event('change'));
    return true;
  }

  // Esc: first the unfinished shape, then the tool, then the selection.
  cancel() {
    const draws = this.active.map(([, one]) => one).filter((one) => one instanceof Draw);
    if (this.found) {
      this.found = null;
      this.seed = null;
      this.preview.clear();
      this.dispatchEvent(new Event('change'));
    } else if (draws.some((draw) => draw.sketchFeature_)) {
      for (const draw of draws) draw.abortDrawing();
    } else if (this.name !== 'select') {
      this.use('select');
    } else {
      this.selection.set([]);
    }
  }

  // Takes the last corner of an unfinished polygon back; tells whether there was one.
  back() {
    const draws = this.active.map(([, one]) => one).filter((one) => one instanceof Draw);
    const busy = draws.filter((draw) => draw.sketchFeature_);
    for (const draw of busy) draw.removeLastPoint();
    return busy.length > 0;
  }
}
