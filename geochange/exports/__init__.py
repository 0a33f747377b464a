"""One file a format: what a run leaves for other software."""
