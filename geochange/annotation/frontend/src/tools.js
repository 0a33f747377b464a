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

export const TOOLS = {
  select: { name: 'Select', key: 'Esc', hint: 'Click a polygon; Shift+click selects several.' },
  edit: { name: 'Edit vertices', key: 'E', hint: 'Drag a vertex or an edge; Alt+click removes a vertex.' },
  draw: { name: 'Polygon', key: 'N', hint: 'Click corners, double-click to finish; Backspace takes the last one back.' },
  hole: { name: 'Cut a hole', key: 'O', hint: 'Draw inside the selected polygon.' },
  brush: { name: 'Brush', key: 'B', hint: 'Paint; adds to the selected polygon. Alt erases. [ ] change the size.' },
  wand: { name: 'Magic wand', key: 'W', hint: 'Click a change; [ ] change the tolerance, Enter keeps it.' },
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
    if (!stroke?.length) return;
    const key = this.selection.first;
    const one = this.selection.find(key);
    if (this.erasing) {
      if (one) await this.actions.combine('brush', 'subtract', [one.geom, stroke[0]], key);
      else toast('Select the polygon to erase from.');
    } else if (one) {
      await this.actions.combine('brush', 'union', [one.geom, stroke[0]], key);
    } else {
      this.actions.create('brush', stroke[0]);
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

  // The size of the brush or the tolerance of the wand, a step up or down.
  step(direction) {
    if (this.name === 'wand') {
      const value = this.tolerance[this.wandOn] + 0.05 * direction;
      this.tolerance[this.wandOn] = Math.round(Math.min(Math.max(value, 0.05), 0.95) * 100) / 100;
      if (this.seed) this.wave(this.seed, {});
    } else {
      this.brushPx = Math.min(Math.max(Math.round(this.brushPx * (direction > 0 ? 1.25 : 0.8)), 2), 400);
      this.sizeRing();
    }
    this.dispatchEvent(new Event('change'));
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
