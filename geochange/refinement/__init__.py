"""Borders of change brought to the edges of the images: arithmetic on windows, no files."""
