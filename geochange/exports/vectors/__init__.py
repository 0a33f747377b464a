"""Polygons that a run leaves: their fields, formats, styles, and how much is in them."""
