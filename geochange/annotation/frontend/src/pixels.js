// Pixels of the grid as map coordinates: x = column, y = -row, so that up stays up.
import Projection from 'ol/proj/Projection.js';
import Polygon from 'ol/geom/Polygon.js';
import MultiPolygon from 'ol/geom/MultiPolygon.js';
import TileGrid from 'ol/tilegrid/TileGrid.js';

const flip = (nested) =>
  typeof nested[0] === 'number' ? [nested[0], -nested[1]] : nested.map(flip);
const round = (nested) =>
  typeof nested === 'number' ? Math.round(nested * 1e4) / 1e4 : nested.map(round);

export function makeGrid({ width, height, levels }) {
  const extent = [0, -height, width, 0];
  const projection = new Projection({ code: 'geochange:pixels', units: 'pixels', extent });
  const resolutions = Array.from({ length: levels }, (_, n) => 2 ** (levels - 1 - n));
  const grid = new TileGrid({ extent, origin: [0, 0], resolutions, tileSize: 256 });
  return { extent, projection, grid, levels };
}

export function toMap(geom) {
  const Kind = geom.type === 'Polygon' ? Polygon : MultiPolygon;
  return new Kind(flip(geom.coordinates));
}

export function toPixels(geometry) {
  return { type: geometry.getType(), coordinates: round(flip(geometry.getCoordinates())) };
}

export const toPoint = ([x, y]) => round([x, -y]);

export const tileExtent = (tile) => [
  tile.col,
  -(tile.row + tile.height),
  tile.col + tile.width,
  -tile.row,
];

export function area(geom) {
  return Math.abs(toMap(geom).getArea());
}

export function bounds(geom) {
  return toMap(geom).getExtent();
}
