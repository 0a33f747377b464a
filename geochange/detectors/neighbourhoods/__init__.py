"""What lies around a pixel: means, ranges, detail and matches, piece by piece."""
