"""What a reader applies to the values that it reads."""
