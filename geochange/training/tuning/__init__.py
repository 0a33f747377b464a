"""Tuning: many short trainings with other settings, and the best of them."""
