"""The planner: where to rescale so that all is exact, nothing leaves its range, and the cost is least.

    problem = Problem(nodes, prices)      a graph of operations and what each does to scales
    solution = plan(problem)              potentials, copies and their reasons, cost, proven bound

It knows nothing of networks and tensors' values: `problem` is its vocabulary. `system` writes a problem as equations,
`search` finds the cheapest copies with `conflicts` (what cannot be) and `cover` (what that costs at least), `values`
makes the potentials exact, and `solution` is the result and its check.
"""

from hwsim.planner.exact import Potential
from hwsim.planner.planning import NoPlanError, plan
from hwsim.planner.problem import COUNT, KINDS, Effect, Freedom, Node, Problem, Tensor
from hwsim.planner.solution import Copy, Reason, Solution, violations

__all__ = [
    "COUNT",
    "KINDS",
    "Copy",
    "Effect",
    "Freedom",
    "NoPlanError",
    "Node",
    "Potential",
    "Problem",
    "Reason",
    "Solution",
    "Tensor",
    "plan",
    "violations",
]
