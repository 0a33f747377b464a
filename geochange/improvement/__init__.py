"""A network learns from the labels of one pair: few tiles, a short time, an honest comparison."""
