"""Bring two dates onto one grid."""
