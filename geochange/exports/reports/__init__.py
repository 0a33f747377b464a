"""Reports that can be mailed and printed, and the pictures in them."""
