"""A device that is written, ages and is read."""
