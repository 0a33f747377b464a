"""More than two dates of one place: opened on one grid, prepared, and asked when it changed."""
