"""Pixels in files block by block: tile stores, tiled TIFF, and how a score is kept."""
