"""Circuits, equations and what is wrong with a problem, each on a case that is solved by hand."""

import itertools
from fractions import Fraction

import pytest

from hwsim.errors import HwsimError
from hwsim.planner import FreeConstant, Node, Problem, Tensor, plan, violations
from hwsim.planner.circuits import joint_cuts
from hwsim.planner.conflicts import _held_together, _not_mended_by_integers
from hwsim.planner.intervals import Clash
from hwsim.planner.stars import Tie
from hwsim.planner.system import Star, equations

COUNT = {"shift": 1, "reciprocal": 1, "division": 1}
IMAGES = Node("images", "source", (), Tensor("x", 10))


def test_ends_whose_weights_cancel_are_not_held_together():
    one, other, shifted = Tie(0, 0, 1, False), Tie(0, 1, 2, False), Tie(1, 0, 1, True)
    # (1 - 0) + (2 - 1): end 1 cancels; what is left says that 2 and 0 are equal.
    assert _held_together({one: 1, other: 1, 5: 3}, shift=False) == [(0, (0, 2, 1))]
    assert _held_together({one: 1, other: -1}, shift=False) == [(0, (0, 1, 2)), (0, (0, 2, -1))]
    assert _held_together({one: 1, shifted: 2}, shift=True) == [(1, (0, 1, 2))]
    assert sorted(_held_together({one: 1, shifted: 2}, shift=None)) == [(0, (0, 1, 1)), (1, (0, 1, 2))]


def test_what_no_integer_can_mend_stays_a_contradiction_without_the_equality_of_its_ends():
    pairs = [(0, (0, 1, 1)), (1, (0, 1, Fraction(1, 2)))]
    assert _not_mended_by_integers({-2: 1}, pairs) == pairs  # log 3
    assert _not_mended_by_integers({-2: 1, -1: 2}, pairs) == pairs
    assert _not_mended_by_integers({-1: Fraction(1, 2)}, pairs) == pairs[:1]  # half a shift, or half of one shift
    assert _not_mended_by_integers({-1: Fraction(1, 3)}, pairs) == pairs
    assert _not_mended_by_integers({-1: 2}, pairs) == []
    assert _not_mended_by_integers({-1: Fraction(1, 2), 4: Fraction(1, 4)}, pairs) == []  # an integer unknown does


def circuits(*gaps, shared=True, turns=(), shift=False, real=1.0):
    """Circuits with a tie of their own each and one tie of all, and what they leave; the cuts of several at once."""
    stars = [Star("x", (0, 1), ("a",), 1, 0.5 if turns else None, real, turns) for _ in range(len(gaps) + 1)]
    clashes = {}
    for n, gap in enumerate(gaps):
        own = Tie(n + 1, 0, 1, shift)
        sums = {own: 1, n: 1, **({Tie(0, 0, 1, False): 1} if shared else {})}
        clashes[own] = Clash([sums], gap, ())
    return [(cut.demand, {d.star for d in cut.differences}) for cut in joint_cuts(stars, clashes)]


def test_circuits_that_share_a_tie_ask_for_as_many_differences_as_are_independent():
    log3, log5, log15 = {-2: 1}, {-3: 1}, {-2: 1, -3: 1}
    assert circuits(log3) == []
    assert circuits(log3, log5) == [(2, {0, 1, 2})]
    assert circuits(log3, log5, {-4: 1}) == [(2, {0, 1, 2}), (3, {0, 1, 2, 3})]
    assert circuits(log3, log5, log15) == [(2, {0, 1, 2})]
    assert circuits(log3, {-2: Fraction(5, 3)}) == []
    assert circuits(log3, log5, shared=False) == []


def test_circuits_that_an_integer_could_mend_do_not_count():
    log3, log6 = {-2: 1}, {-2: 1, -1: 1}
    assert circuits(log3, log6) == [(2, {0, 1, 2})]
    assert circuits(log3, log6, turns=(8, 9)) == []  # 3 and 6 differ by a shift
    assert circuits(log3, {-3: 1}, turns=(8, 9)) == [(2, {0, 1, 2})]
    assert circuits(log3, {-3: 1}, shift=True) == []
    assert circuits(log3, {-3: 1}, real=None) == []  # no division on offer
    assert circuits(log3, {-3: 1, 4: 1}) == []  # an unknown is left


@pytest.mark.parametrize(("shift", "division", "on_offer"), [(1, 2, True), (2, 2, False), (3, 2, False), (0, 2, True)])
def test_a_shift_that_is_not_cheaper_than_a_division_is_not_on_offer(shift, division, on_offer):
    nodes = (IMAGES, Node("logits", "output", ("x",)))
    (star,) = equations(Problem(nodes, {"shift": shift, "division": division})).stars
    assert star.real == 10 * division
    assert star.shift == (10 * shift if on_offer else None)
    assert len(star.turns) == (2 if on_offer else 0)


def test_pieces_share_no_unknown_and_leave_nothing_out():
    layers = [
        IMAGES,
        Node("a", "linear", ("x",), Tensor("y", 4), 3),
        Node("pin", "pin", ("y",), Tensor("p", 4)),
        Node("b", "linear", ("p",), Tensor("z", 4), FreeConstant(2, 8, 4, True)),
        Node("logits", "output", ("z",)),
    ]
    system = equations(Problem(tuple(layers), {"shift": 1, "division": 3}))
    pieces = system.pieces()
    assert sorted(u for piece in pieces for u in piece.unknowns) == list(range(len(system.unknowns)))
    assert sorted(row for piece in pieces for row in piece.rows) == list(range(len(system.rows)))
    assert sum(len(piece.stars) for piece in pieces) == len(system.stars) == 4
    for piece in pieces:
        inside = set(piece.unknowns)
        assert all({s for s in system.rows[row] if s >= 0} <= inside for row in piece.rows)
        assert all({*star.ends, *star.turns} <= inside for star in piece.stars)
    together = [{star.tensor for star in piece.stars} for piece in pieces if piece.stars]
    # Images are at a known scale, and what reads them is free: they share an equation with the first layer alone.
    assert sorted(map(sorted, together)) == [["p", "z"], ["x", "y"]]


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (Node("images", "carry", ("x",), Tensor("y", 1)), "Two operations are called 'images'"),
        (Node("n", "carry", ("x",), Tensor("x", 1)), "'images' and 'n' both make the tensor 'x'"),
        (Node("n", "carry", ("nothing",), Tensor("y", 1)), "reads 'nothing', which no operation before it makes"),
        (Node("n", "twist", ("x",), Tensor("y", 1)), "twist"),
        (Node("n", "carry", ("x", "x"), Tensor("y", 1)), r"'n' \(carry\) reads 2 tensors: it must read 1"),
        (Node("n", "quotient", ("x",), Tensor("y", 1)), r"'n' \(quotient\) reads 1 tensors: it must read 2"),
        (Node("n", "source", ("x",), Tensor("y", 1)), "it must read 0"),
        (Node("n", "join", (), Tensor("y", 1)), "reads 0 tensors"),
        (Node("n", "absorb", ("x", "x"), Tensor("y", 1), idle=3), "reads 2 tensors"),
        (Node("n", "carry", ("x",)), "makes no tensor"),
        (Node("n", "output", ("x",), Tensor("y", 1)), "makes a tensor"),
        (Node("n", "carry", ("x",), Tensor("y", -1)), "-1 elements"),
        (Node("n", "carry", ("x",), Tensor("y", 1, 3.0, 2.0)), r"from 2\^3 to 2\^2"),
        (Node("n", "linear", ("x",), Tensor("y", 1), 0), "constant of 'n' is 0"),
        (Node("n", "linear", ("x",), Tensor("y", 1), float("inf")), "constant of 'n' is inf"),
        (Node("n", "linear", ("x",), Tensor("y", 1), FreeConstant(2, 8, 9)), "in order"),
        (Node("n", "linear", ("x",), Tensor("y", 1), FreeConstant(4, 2, 3)), "in order"),
    ],
)
def test_what_is_wrong_with_a_node_is_said(node, message):
    with pytest.raises(HwsimError, match=message):
        Problem((IMAGES, node), COUNT)


def test_kinds_that_may_be_needed_need_prices_and_others_do_not():
    idle = Node("n", "absorb", ("x",), Tensor("y", 1), idle=3)
    for needed in itertools.product([False, True], ["division", "reciprocal", None], [False, True]):
        shift, real, multiplies = needed
        kinds = {kind for kind, there in (("shift", shift), (real, real), ("reciprocal", multiplies)) if there}
        nodes = (IMAGES, idle) if multiplies else (IMAGES,)
        Problem(nodes, dict.fromkeys(kinds, 1), real, shift)
        for missing in kinds:
            with pytest.raises(HwsimError, match=f"no price for '{missing}'"):
                Problem(nodes, dict.fromkeys(kinds - {missing}, 1), real, shift)
            with pytest.raises(HwsimError, match=f"price of '{missing}'"):
                Problem(nodes, dict.fromkeys(kinds, 1) | {missing: float("inf")}, real, shift)


def test_no_power_of_two_between_the_limits_is_said():
    nodes = (IMAGES, Node("n", "linear", ("x",), Tensor("y", 1), FreeConstant(5, 7, 6, True)))
    with pytest.raises(HwsimError, match="no power of two from 5 to 7 for the constant of 'n'"):
        plan(Problem(nodes, COUNT))


def test_constants_are_as_preferred_before_results_of_absorbers_are_unscaled():
    """Either the layer has the constant that it prefers, or the norm in front of it is unscaled."""
    nodes = (
        IMAGES,
        Node("norm", "absorb", ("x",), Tensor("n", 10)),
        Node("W", "linear", ("n",), Tensor("y", 10), FreeConstant(2, 8, 7)),
        Node("V", "linear", ("y",), Tensor("z", 10), Fraction(1, 4)),
        Node("logits", "output", ("z",)),
    )
    found = Problem(nodes, COUNT)
    solution = plan(found)
    assert solution.cost == 0
    assert solution.constants["W"].scale == 7
    assert solution.potentials["n"].scale == Fraction(4, 7)
    assert list(violations(found, solution)) == []


def test_of_constants_that_cannot_all_be_as_preferred_as_many_as_possible_are():
    nodes = [IMAGES]
    for n, constant in enumerate([3, 5, 7]):
        nodes.append(Node(f"W{n}", "linear", ("x",), Tensor(f"y{n}", 10), FreeConstant(2, 8, constant)))
    nodes.append(Node("sum", "join", ("y0", "y1"), Tensor("s", 10)))
    nodes.append(Node("W", "linear", ("y2",), Tensor("z", 10), 2))
    nodes += [Node("pin", "absorb", ("s",), Tensor("p", 1)), Node("other", "absorb", ("z",), Tensor("q", 1))]
    solution = plan(Problem(tuple(nodes), COUNT))
    assert solution.cost == 0
    assert solution.constants["W2"].scale == 7
    assert solution.constants["W0"] == solution.constants["W1"]
    assert solution.constants["W0"].scale in (3, 5)
