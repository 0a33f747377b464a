"""Files of trained networks: weights with a card, shipped or own, and ONNX."""
