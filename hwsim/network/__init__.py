"""Networks as small graphs of datapath operations, and the scale algebra of each operation.

`capture` turns an `nn.Module` into a `Network` (torch.export); `graph` holds the four kinds of operation that
a datapath knows; `operators` says what each operation does to the scale of a tensor, and all else that is known of it;
`scale` is the arithmetic of scales.
"""

from hwsim.network.capture import capture
from hwsim.network.graph import Affine, Call, Fetch, Input, Linear, Network, Operation, Ref
from hwsim.network.operators import Operator, Rule, operator_of, rule_of, teach
from hwsim.network.scale import Scale

__all__ = [
    "Affine",
    "Call",
    "Fetch",
    "Input",
    "Linear",
    "Network",
    "Operation",
    "Operator",
    "Ref",
    "Rule",
    "Scale",
    "capture",
    "operator_of",
    "rule_of",
    "teach",
]
