"""Trained networks at work: raw pixels in; scores, descriptors and attributions out."""
