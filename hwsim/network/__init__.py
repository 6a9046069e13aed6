"""Networks as small graphs of datapath operations, and the scale algebra of each operation.

`capture` turns an `nn.Module` into a `Network` (torch.export); `graph` holds the four kinds of operation that
a datapath knows; `rules` says what each operation does to the scale of a tensor; `scale` is the arithmetic of
scales.
"""

from hwsim.network.capture import capture
from hwsim.network.graph import Affine, Call, Fetch, Input, Linear, Network, Operation, Ref
from hwsim.network.rules import Rule, rule_of, teach
from hwsim.network.scale import Scale

__all__ = [
    "Affine",
    "Call",
    "Fetch",
    "Input",
    "Linear",
    "Network",
    "Operation",
    "Ref",
    "Rule",
    "Scale",
    "capture",
    "rule_of",
    "teach",
]
