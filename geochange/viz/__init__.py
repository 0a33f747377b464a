"""Pictures: the only room that knows matplotlib and image files."""
