"""From a problem to its solution: piece by piece, the cheapest choice of copies, then exact potentials."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from hwsim.errors import HwsimError
from hwsim.planner.conflicts import ContradictionError, Examiner
from hwsim.planner.deadline import Deadline
from hwsim.planner.elimination import Elimination
from hwsim.planner.exact import Potential
from hwsim.planner.intervals import Clash
from hwsim.planner.problem import Problem
from hwsim.planner.search import Choice, cheapest_choice
from hwsim.planner.solution import Copy, Reason, Solution, violations
from hwsim.planner.stars import Partition, Tie
from hwsim.planner.system import Star, System, equations
from hwsim.planner.values import settle

_FORCING = ("join", "product", "quotient", "power", "pin", "output")


class NoPlanError(HwsimError):
    """There is no plan.

    Attributes:
        ranges: tensors, and layers with a constant to choose, whose intervals contradict; empty if that is not why.
    """

    def __init__(self, message: str, ranges: tuple[str, ...]) -> None:
        super().__init__(message)
        self.ranges = ranges


def plan(problem: Problem, time_limit_s: float = math.inf) -> Solution:
    """The rescalings of least cost that make every operation exact and keep every potential in its range.

    Args:
        problem: what to plan.
        time_limit_s: when to stop proving. The best plan known by then is returned, with the gap that is left; a first
            one is found, and its potentials made exact, whatever it takes.

    Raises:
        NoPlanError: if there is no plan, with the tensors whose ranges contradict.
    """
    deadline = Deadline.after(time_limit_s)
    system = equations(problem)
    values: dict[int, Potential] = {}
    reasons: dict[int, Reason] = {}
    pieces = system.pieces()
    chosen: dict[int, tuple[Examiner, Choice]] = {}
    try:
        # The small ones first: what they leave of the time is for the large ones.
        for place, piece in sorted(enumerate(pieces), key=lambda item: len(item[1].unknowns)):
            examiner = Examiner(system, piece)
            chosen[place] = examiner, cheapest_choice(examiner, deadline)
    except ContradictionError as error:
        raise _impossible(error) from None
    for place, piece in enumerate(pieces):
        examiner, choice = chosen[place]
        kept, clashes = _without_needless_copies(examiner, choice.partitions)
        for symbol, row in settle(kept).items():
            values[symbol] = system.base.potential(row)
        for tie, clash in clashes.items():
            reasons[piece.stars[tie.star].ends[tie.b]] = _reason(problem, system, clash)
    order = {tensor: place for place, tensor in enumerate(system.produced)}
    stars = sorted(system.stars, key=lambda star: order[star.tensor])
    copies = [copy for star in stars for copy in _copies(problem, star, values, reasons)]
    solution = Solution(
        potentials={tensor: values[symbol] for tensor, symbol in system.produced.items()},
        copies=tuple(copies),
        constants={node: values[symbol] for node, symbol in system.constants.items()},
        cost=math.fsum(copy.cost for copy in copies),
        bound=math.fsum(choice.bound for _, choice in chosen.values()),
    )
    wrong = next(violations(problem, solution), None)
    assert wrong is None, wrong
    return solution


def _without_needless_copies(examiner: Examiner, choice: Sequence[Partition]) -> tuple[Elimination, dict[Tie, Clash]]:
    """The ties of a choice, and more where they contradict nothing; and why each copy that is left is needed."""
    wanted = examiner.ties(choice)
    apart = [(n, end) for n, part in enumerate(choice) for end, place in enumerate(part) if place != part[0]]
    kept, clashes = examiner.eliminate([*wanted, *(Tie(n, 0, end, shift=False) for n, end in apart)])
    return (kept if kept.possible() else examiner.eliminate(wanted)[0]), clashes


def _reason(problem: Problem, system: System, clash: Clash) -> Reason:
    """What a contradiction is about: a tensor's range, or the last operation that asks for a scale.

    That a constant may be chosen only within limits is no reason to rescale: what asks for another scale is.
    """
    ranges = [unknown for unknown in clash.unknowns if not system.unknowns[unknown].constant]
    if ranges:
        return Reason("range", system.unknowns[max(ranges)].subject)
    nodes = sorted({system.nodes[label] for label in clash.labels if isinstance(label, int)})
    forcing = [n for n in nodes if problem.nodes[n].effect in _FORCING] or nodes
    node = problem.nodes[forcing[-1]]
    return Reason(node.effect, node.name)


def _copies(
    problem: Problem, star: Star, values: Mapping[int, Potential], reasons: Mapping[int, Reason]
) -> Iterator[Copy]:
    """The copies of one star, by the exact potentials of its ends."""
    held = [values[star.ends[0]]]
    for first in star.ends[1:]:
        potential = values[first]
        if potential in held:
            continue
        ends = [end for end in star.ends if values[end] == potential]
        shifts = problem.shift and not star.multiplier and _cheaper_shift(problem)
        near = [other for other in held if shifts and (potential - other).is_integer]
        kind = "shift" if near else "reciprocal" if star.multiplier else problem.real
        assert kind is not None
        yield Copy(
            tensor=star.tensor,
            readers=tuple(star.readers[star.ends.index(end) - 1] for end in ends),
            made_from=(near or held)[0],
            potential=potential,
            kind=kind,
            elements=star.elements,
            cost=star.elements * problem.prices[kind],
            reason=next((reasons[end] for end in ends if end in reasons), _usual_reason(problem, star, ends)),
            multiplier=star.multiplier,
        )
        held.append(potential)


def _usual_reason(problem: Problem, star: Star, ends: Sequence[int]) -> Reason:
    """Why a copy is there whose lack alone contradicts nothing: a reader that must have scale one, or else ranges."""
    readers = {star.readers[star.ends.index(end) - 1] for end in ends}
    needing = (node for node in problem.nodes if node.name in readers and node.effect in ("pin", "output"))
    return next((Reason(node.effect, node.name) for node in needing), Reason("range", star.tensor))


def _cheaper_shift(problem: Problem) -> bool:
    return problem.real is None or problem.prices["shift"] <= problem.prices[problem.real]


def _impossible(error: ContradictionError) -> NoPlanError:
    """The sentence for contradicting ranges, or for rescalings that are not on offer."""
    names = [repr(name) for name in error.ranges or error.tensors]
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    if not error.ranges:
        sentence = (
            f"No plan is exact: {listed} would have to be rescaled in a way that is not on offer; offer divisions or "
            "multiplications by reciprocals, or use powers of two as constants."
        )
    elif len(names) == 1:
        sentence = f"No plan keeps {listed} in its range, whatever is rescaled: widen that range."
    else:
        sentence = f"No plan keeps {listed} in their ranges, which contradict one another: widen one of them."
    return NoPlanError(sentence, error.ranges)
