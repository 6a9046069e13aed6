"""The planner: where to rescale so that all is exact, nothing leaves its range, and the cost is least.

    problem = Problem(nodes, prices)      a graph of operations and what each does to scales
    solution = plan(problem)              potentials, copies and their reasons, cost, proven bound

It knows nothing of networks and tensors' values: `problem` is its vocabulary. `system` writes a problem as equations,
`search` finds the cheapest copies with `conflicts` (what cannot be) and `cover` (what that costs at least), `values`
makes the potentials exact, and `solution` is the result and its check.

Names are loaded when first used, so that prices can be looked up without scipy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.lazy import lazily

if TYPE_CHECKING:
    from hwsim.planner.exact import Potential
    from hwsim.planner.planning import NoPlanError, plan
    from hwsim.planner.problem import COUNT, RESCALING_KINDS, FreeConstant, Node, NodeEffect, Problem, Tensor
    from hwsim.planner.solution import Copy, Reason, Solution, violations

_HOMES = {
    "COUNT": "hwsim.planner.problem",
    "RESCALING_KINDS": "hwsim.planner.problem",
    "Copy": "hwsim.planner.solution",
    "NodeEffect": "hwsim.planner.problem",
    "FreeConstant": "hwsim.planner.problem",
    "NoPlanError": "hwsim.planner.planning",
    "Node": "hwsim.planner.problem",
    "Potential": "hwsim.planner.exact",
    "Problem": "hwsim.planner.problem",
    "Reason": "hwsim.planner.solution",
    "Solution": "hwsim.planner.solution",
    "Tensor": "hwsim.planner.problem",
    "plan": "hwsim.planner.planning",
    "violations": "hwsim.planner.solution",
}

__all__ = [
    "COUNT",
    "RESCALING_KINDS",
    "Copy",
    "FreeConstant",
    "NoPlanError",
    "Node",
    "NodeEffect",
    "Potential",
    "Problem",
    "Reason",
    "Solution",
    "Tensor",
    "plan",
    "violations",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
