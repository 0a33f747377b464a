"""Whole images judged: changed or not, and how surely."""
