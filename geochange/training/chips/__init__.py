"""Chips of scenes: which windows, what is done to them, and the batches they make."""
