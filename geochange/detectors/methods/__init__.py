"""Change detectors: one file a method family."""
