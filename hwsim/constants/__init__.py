"""Numbers with a unit: texts such as `8 ns` read as numbers, and constants with a source and a degree of trust."""
