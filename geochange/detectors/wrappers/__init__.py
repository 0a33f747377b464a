"""Detectors made of other detectors: several as one, screened, or tolerant of shifts."""
