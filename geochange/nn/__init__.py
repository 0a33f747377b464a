"""Networks that compare two dates: tensors in, logits out; no files but checkpoints, no CRS."""
