"""Change detectors: one file a method family, and the registry."""
