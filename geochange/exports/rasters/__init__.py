"""Rasters that a run leaves: blocks and overviews of GeoTIFF, and rasters made of them."""
