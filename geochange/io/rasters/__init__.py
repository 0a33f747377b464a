"""Raster files read lazily on any grid, as one scene with masks."""
