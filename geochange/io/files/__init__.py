"""Files and folders that appear whole or not at all, and what they say of themselves."""
