"""Settings of a training run: frozen values, read from TOML."""
