"""Training of networks that look at many dates."""
