"""Networks that compare two dates: composed of parts, found by name, measured."""
