"""Numbers with a unit: texts such as `8 ns` read as numbers, and constants with a source and a degree of trust.

`constant` is one of them, `tables` reads and checks those that a package has in a file, and `units` knows their units.
What a memory, a code or an operation costs is read here, and by nobody else.
"""

from hwsim.constants.constant import TRUST, Constant, Trust, Value, show
from hwsim.constants.tables import load_table, read_constant

__all__ = ["TRUST", "Constant", "Trust", "Value", "load_table", "read_constant", "show"]
