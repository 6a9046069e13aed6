"""Which cells give something else than was written, and how independent flips draw them."""
