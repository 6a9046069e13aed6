"""Networks and images by name."""
