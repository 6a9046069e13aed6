"""What is stored where, and how weak each cell is."""
