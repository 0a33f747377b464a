"""Parts of networks: layers, encoders, fusions and decoders, by name."""
