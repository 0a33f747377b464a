"""Where the two dates lie to each other: tie points, and the model that brings them together."""
