"""What is known of tensor operations: one table, filled a family of operations at a time.

To add an operation, `teach` it in the module of its family; a datapath, a planner and interval bounds then know it.
"""

from hwsim.network.operators import activations, arithmetic, attention, normalisation, rearrangements, reductions
from hwsim.network.operators.operator import Operator, operator_of, rule_of, teach
from hwsim.network.operators.rules import Rule

__all__ = ["Operator", "Rule", "operator_of", "rule_of", "teach"]
_FAMILIES = (activations, arithmetic, attention, normalisation, rearrangements, reductions)
