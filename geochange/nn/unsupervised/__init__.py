"""Small networks that learn from the pair itself, without labels."""
