"""What learning asks of networks: losses, weights taken over, parts that stay as they are."""
