"""The memory technologies: tables of constants, and what is read from them."""
