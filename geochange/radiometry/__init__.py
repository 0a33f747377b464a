"""Light, noise and clouds: what differs between two dates without a change on the ground."""
