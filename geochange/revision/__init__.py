"""Finished runs looked at again: fused, refined, or with a threshold tuned on labels."""
