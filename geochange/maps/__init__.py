"""From scores to masks, components and polygons."""
