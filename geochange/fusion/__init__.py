"""Several scores of one place become one: arithmetic on stored levels, no files."""
