// What the map shows: both dates, the score, candidates and labels.
import Feature from 'ol/Feature.js';
import TileLayer from 'ol/layer/Tile.js';
import VectorLayer from 'ol/layer/Vector.js';
import ImageTile from 'ol/source/ImageTile.js';
import VectorSource from 'ol/source/Vector.js';
import { Circle, Fill, Stroke, Style } from 'ol/style.js';
import MultiPoint from 'ol/geom/MultiPoint.js';
import { fromExtent } from 'ol/geom/Polygon.js';
import { toMap, tileExtent } from './pixels.js';

const KEEP_SCORES = 256;
const CROWD = 600; // of more polygons than this the outlines are thin
const CATCH_UP_MS = 120;
const AT_A_TIME = 16;

// Pictures keep their pixels' edges from the image's own scale on.
function sharp(layer) {
  layer.on('prerender', ({ context, frameState }) => {
    if (context) context.imageSmoothingEnabled = frameState.viewState.resolution > 1;
  });
  return layer;
}

function imageSource(world, url) {
  const loader = async (z, x, y) => {
    const image = new Image();
    image.src = url(world.levels - 1 - z, x, y);
    await image.decode();
    return image;
  };
  return new ImageTile({ loader, projection: world.projection, tileGrid: world.grid, transition: 0, wrapX: false });
}

export class DateLayer {
  constructor(world, date, display) {
    this.date = date;
    this.display = display;
    this.world = world;
    this.layers = [];
    this.source = null;
    this.refresh();
  }

  url(level, x, y) {
    const { bands, limits, gamma } = this.display.of(this.date);
    const s = limits.map(([low, high]) => `${low}:${high}`).join(',');
    return `api/image/${this.date}/${level}/${x}/${y}?b=${bands.join(',')}&s=${s}&g=${gamma}${this.display.matched ? '&m=1' : ''}&v=${this.display.version}`;
  }

  refresh() {
    this.source = imageSource(this.world, (...place) => this.url(...place));
    for (const layer of this.layers) layer.setSource(this.source);
  }

  add(className) {
    const layer = sharp(new TileLayer({ source: this.source, className, cacheSize: 256 }));
    this.layers.push(layer);
    return layer;
  }
}

// Scores come as grey steps; the page colours them, so the threshold moves without a request.
export class ScoreLayer {
  constructor(world) {
    this.world = world;
    this.run = null;
    this.threshold = 0.5;
    this.tiles = new Map();
    this.layers = [];
  }

  show(run) {
    if (this.run === run) return;
    this.run = run;
    this.tiles.clear();
    const loader = (z, x, y) => this.load(z, x, y);
    const source = run
      ? new ImageTile({ loader, projection: this.world.projection, tileGrid: this.world.grid, transition: 0, wrapX: false, interpolate: false })
      : null;
    for (const layer of this.layers) layer.setSource(source);
    this.source = source;
  }

  async load(z, x, y) {
    const response = await fetch(`api/score/${this.run}/${this.world.levels - 1 - z}/${x}/${y}?v=1`);
    if (!response.ok) throw new Error(`score tile: ${response.status}`);
    const bitmap = await createImageBitmap(await response.blob(), { premultiplyAlpha: 'none' });
    const canvas = document.createElement('canvas');
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const grey = new Uint8Array(data.length / 4);
    const known = new Uint8Array(data.length / 4);
    for (let n = 0; n < grey.length; n++) {
      grey[n] = data[4 * n];
      known[n] = data[4 * n + 3] ? 1 : 0;
    }
    const tile = { canvas, context, grey, known };
    tile.place = [z, x, y];
    this.paint(tile);
    this.tiles.set(`${z}/${x}/${y}`, tile);
    if (this.tiles.size > KEEP_SCORES) this.tiles.delete(this.tiles.keys().next().value);
    return canvas;
  }

  // Below the threshold nothing, above it orange to dark red.
  paint(tile) {
    const { context, canvas, grey, known } = tile;
    tile.painted = this.threshold;
    const image = context.createImageData(canvas.width, canvas.height);
    const pixels = new Uint32Array(image.data.buffer);
    const ramp = new Uint32Array(256);
    const cut = Math.round(this.threshold * 255);
    for (let level = 0; level < 256; level++) {
      const t = level < cut ? 0 : (level - cut) / Math.max(255 - cut, 1);
      const [r, g, b] = [255 - 60 * t, 200 - 180 * t, 60 * (1 - t)];
      const a = level < cut ? 0 : 150 + 80 * t;
      ramp[level] = (a << 24) | (b << 16) | (g << 8) | r;
    }
    for (let n = 0; n < pixels.length; n++) pixels[n] = known[n] ? ramp[grey[n]] : 0;
    context.putImageData(image, 0, 0);
  }

  setThreshold(value) {
    if (value === this.threshold) return;
    this.threshold = value;
    for (const tile of this.tiles.values()) if (this.inView(tile)) this.paint(tile);
    for (const layer of this.layers) layer.changed();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.catchUp(), CATCH_UP_MS);
  }

  // What is out of sight is painted when the threshold rests, a few tiles at a time.
  catchUp() {
    const late = [...this.tiles.values()].filter((tile) => tile.painted !== this.threshold);
    for (const tile of late.slice(0, AT_A_TIME)) this.paint(tile);
    for (const layer of this.layers) layer.changed();
    if (late.length > AT_A_TIME) this.timer = setTimeout(() => this.catchUp());
  }

  // Whether a tile may be on the screen now; all are while nobody says what is.
  inView({ place: [z, x, y] }) {
    const seen = this.view?.();
    if (!seen) return true;
    const { grid } = this.world;
    const wanted = grid.getZForResolution(seen.resolution);
    if (Math.abs(z - wanted) > 1) return false;
    const [left, bottom, right, top] = grid.getTileCoordExtent([z, x, y]);
    return left < seen.extent[2] && right > seen.extent[0] && bottom < seen.extent[3] && top > seen.extent[1];
  }

  add() {
    const layer = new TileLayer({ source: this.source, className: 'score', opacity: 0.7, cacheSize: KEEP_SCORES, visible: false });
    this.layers.push(layer);
    return layer;
  }
}

const HALO = new Stroke({ color: 'rgba(255,255,255,0.95)', width: 5 });
const TILE = new Style({ stroke: new Stroke({ color: 'rgba(255,255,255,0.85)', width: 1.5, lineDash: [8, 6] }) });

export class Labels {
  constructor(model) {
    this.model = model;
    this.source = new VectorSource({ wrapX: false });
    this.frame = new VectorSource({ wrapX: false });
    this.selected = new Set();
    this.threshold = 0;
    this.styles = new Map();
    this.editing = false;
  }

  add() {
    const style = (feature) => this.style(feature);
    return [
      new VectorLayer({ source: this.frame, style: TILE, className: 'frame' }),
      new VectorLayer({ source: this.source, style, className: 'labels', updateWhileInteracting: true }),
    ];
  }

  // Features follow the model; those that stay are kept, so that a selection stays too.
  sync() {
    const wanted = new Map();
    for (const one of this.model.candidates.values()) {
      if ((one.score ?? 1) >= this.threshold) wanted.set(`c${one.id}`, { one, kind: 'candidate' });
    }
    for (const one of this.model.annotations.values()) {
      wanted.set(`a${one.id}`, { one, kind: 'annotation' });
    }
    this.crowded = wanted.size > CROWD;
    const gone = this.source.getFeatures().filter((feature) => !wanted.has(feature.getId()));
    const fresh = [];
    for (const [key, { one, kind }] of wanted) {
      const known = this.source.getFeatureById(key);
      if (!known) {
        const feature = new Feature({ geometry: toMap(one.geom), kind });
        feature.setId(key);
        feature.set('geom', one.geom, true);
        fresh.push(feature);
      } else if (known.get('geom') !== one.geom) {
        known.set('geom', one.geom, true);
        known.setGeometry(toMap(one.geom));
      }
    }
    if (gone.length > 200) {
      const stay = this.source.getFeatures().filter((feature) => wanted.has(feature.getId()));
      this.source.clear(true);
      this.source.addFeatures([...stay, ...fresh]);
    } else {
      for (const feature of gone) this.source.removeFeature(feature);
      this.source.addFeatures(fresh);
    }
    this.source.changed();
  }

  // Shows a polygon as the model has it, after an edit that was not taken.
  restore(key) {
    const feature = this.source.getFeatureById(key);
    if (feature) feature.setGeometry(toMap(feature.get('geom')));
  }

  outline(tile) {
    this.frame.clear();
    if (tile) this.frame.addFeature(new Feature(fromExtent(tileExtent(tile))));
  }

  style(feature) {
    const key = feature.getId();
    const kind = feature.get('kind');
    const one = kind === 'candidate' ? null : this.model.annotations.get(key.slice(1));
    const chosen = this.selected.has(key);
    const verdict = one ? one.verdict : 'candidate';
    const cls = one ? one.class : 0;
    const name = `${verdict}/${cls}/${chosen}/${this.editing && chosen}/${this.crowded && !chosen}`;
    if (!this.styles.has(name)) this.styles.set(name, this.makeStyle(verdict, cls, chosen));
    return this.styles.get(name);
  }

  makeStyle(verdict, cls, chosen) {
    const colour = verdict === 'candidate' ? '#ffd54a' : this.model.classOf(cls).colour;
    const looks = {
      candidate: { stroke: { color: colour, width: 2, lineDash: [6, 4] }, fill: 'rgba(255,255,255,0.01)' },
      pending: { stroke: { color: colour, width: 2, lineDash: [6, 4] }, fill: `${colour}22` },
      accepted: { stroke: { color: colour, width: 2.5 }, fill: `${colour}47` },
      rejected: { stroke: { color: 'rgba(214,219,226,0.75)', width: 1.2, lineDash: [2, 4] }, fill: 'rgba(0,0,0,0.01)', bare: true },
    }[verdict];
    const bare = looks.bare || (this.crowded && !chosen);
    if (bare) looks.stroke.width *= 0.7;
    const under = new Stroke({ color: 'rgba(0,0,0,0.55)', width: looks.stroke.width + 1.5, lineDash: looks.stroke.lineDash });
    const styles = [
      ...(bare ? [] : [new Style({ zIndex: chosen ? 2 : 0, stroke: under })]),
      new Style({ zIndex: chosen ? 3 : 0, stroke: new Stroke(looks.stroke), fill: new Fill({ color: looks.fill }) }),
    ];
    if (chosen) styles.unshift(new Style({ stroke: HALO, zIndex: 1 }));
    if (chosen && this.editing) styles.push(VERTICES);
    return styles;
  }
}

const VERTICES = new Style({
  zIndex: 4,
  image: new Circle({ radius: 4, fill: new Fill({ color: '#fff' }), stroke: new Stroke({ color: '#1c6dd0', width: 1.5 }) }),
  geometry: (feature) => {
    const geometry = feature.getGeometry();
    const depth = geometry.getType() === 'Polygon' ? 1 : 2;
    return new MultiPoint(geometry.getCoordinates().flat(depth));
  },
});
