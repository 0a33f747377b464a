"""What methods learn from a sample: noise, gains, clutter, misfits, clusters, variates."""
