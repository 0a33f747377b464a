"""Scenes to learn from: found, opened, surveyed, split by place, held in memory."""
