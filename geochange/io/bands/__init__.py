"""Bands: what they mean, what they are called, which are compared."""
