"""From the pixels of one grid to those of another: displaced, resampled."""
