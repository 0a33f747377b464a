// Superpixels: the tile cut into small regions; a click or a stroke over them paints what they hold.
import Feature from 'ol/Feature.js';
import PointerInteraction from 'ol/interaction/Pointer.js';
import VectorLayer from 'ol/layer/Vector.js';
import VectorSource from 'ol/source/Vector.js';
import { Fill, Stroke, Style } from 'ol/style.js';
import { Lost, post } from './api.js';
import { toast } from './dom.js';
import { toMap, toPixels, toPoint } from './pixels.js';

const EDGES = [
  new Style({ stroke: new Stroke({ color: 'rgba(0,0,0,0.3)', width: 2 }) }),
  new Style({ stroke: new Stroke({ color: 'rgba(255,255,255,0.55)', width: 1 }), fill: new Fill({ color: 'rgba(0,0,0,0.001)' }) }),
];
const CHOSEN = new Style({ stroke: new Stroke({ color: '#56e0c8', width: 1.5 }), fill: new Fill({ color: 'rgba(86,224,200,0.35)' }) });
const SETTLE_MS = 200;
const SMOOTH_PX = 0.75; // what the stairs of the pixels may be left by

export class Superpixels {
  constructor(tools) {
    Object.assign(this, { tools, sizePx: 16, cut: null, chosen: new Set(), hovered: null });
    this.source = new VectorSource({ wrapX: false });
    const style = (feature) => (feature === this.hovered || this.chosen.has(feature) ? CHOSEN : EDGES);
    for (const { map } of tools.views.maps) {
      map.addLayer(new VectorLayer({ source: this.source, style, className: 'superpixels' }));
      map.on('pointermove', ({ coordinate, dragging }) => {
        if (!dragging) this.hover(coordinate);
      });
    }
  }

  start(own) {
    this.active = true;
    this.tools.add(own, new PointerInteraction({
      handleDownEvent: (event) => {
        if (event.originalEvent.button) return false;
        this.erasing = event.originalEvent.altKey;
        this.take(event.coordinate);
        return true;
      },
      handleDragEvent: (event) => this.take(event.coordinate),
      handleUpEvent: () => {
        this.paint();
        return false;
      },
    }));
    this.load();
  }

  stop() {
    this.active = false;
    this.cut = null;
    this.chosen.clear();
    this.hovered = null;
    this.source.clear();
  }

  setSize(value) {
    this.sizePx = value;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(), SETTLE_MS);
  }

  // Asks for the regions of the active tile, or of a large tile around the pointer.
  async load(point) {
    const { model } = this.tools;
    const { tile } = model;
    if (!this.active || !tile) return;
    const [x, y] = point ?? [tile.col + tile.width / 2, tile.row + tile.height / 2];
    const wanted = `${tile.id}/${this.sizePx}/${point ?? ''}`;
    if (this.cut === wanted) return;
    this.cut = wanted;
    this.busy(true);
    try {
      const { geometries } = await post('api/superpixels', { tile: tile.id, x, y, size: this.sizePx });
      if (this.cut !== wanted || !this.active) return;
      this.chosen.clear();
      this.hovered = null;
      this.source.clear(true);
      this.source.addFeatures(geometries.map((geom) => new Feature(toMap(geom))));
    } catch (error) {
      this.cut = null;
      toast(error instanceof Lost ? 'Superpixels need the server; it does not answer.' : error.message, 'error');
    } finally {
      this.busy(false);
    }
  }

  // While regions are being made the pointer says so.
  busy(on) {
    for (const { target } of this.tools.views.maps) target.classList.toggle('busy', on);
  }

  at(coordinate) {
    return this.source.getFeaturesAtCoordinate(coordinate)[0] ?? null;
  }

  hover(coordinate) {
    if (!this.active) return;
    const found = this.at(coordinate);
    if (found !== this.hovered) {
      this.hovered = found;
      this.source.changed();
    }
  }

  take(coordinate) {
    const found = this.at(coordinate);
    if (found) {
      this.chosen.add(found);
      this.source.changed();
    } else if (!this.chosen.size) {
      this.load(toPoint(coordinate).map(Math.floor));
    }
  }

  async paint() {
    const { tools } = this;
    const chosen = [...this.chosen].map((feature) => toPixels(feature.getGeometry()));
    const union = chosen.length ? await tools.actions.compute({ action: 'union', geometries: chosen }) : null;
    const smooth = union && await tools.actions.compute({ action: 'simplify', geometries: union, tolerance: SMOOTH_PX });
    if (smooth?.length) await tools.paint('superpixel', smooth, this.erasing);
    this.chosen.clear();
    this.source.changed();
  }
}
