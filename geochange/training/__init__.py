"""Training: labelled scenes in, one checkpoint out."""
