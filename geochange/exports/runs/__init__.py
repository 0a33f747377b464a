"""What a run leaves as a whole, and what ``run.json`` says of it."""
