"""The planner's cost is the least there is, its potentials are exact, and its reasons are the right ones."""

import math
from fractions import Fraction

import pytest

from hwsim.errors import HwsimError
from hwsim.planner import FreeConstant, Node, Problem, Tensor, plan, violations
from tests.datapath.planner.brute_force import choices, least_cost
from tests.datapath.planner.random_problems import random_problem

COUNT = {"shift": 1, "reciprocal": 1, "division": 1}
CHUNK = 70
MOST_CHOICES = 4000  # what brute force tries in a moment


@pytest.mark.parametrize("chunk", range(15))
def test_no_plan_costs_less_on_random_problems(chunk):
    compared = possible = costly = 0
    for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        problem = random_problem(seed)
        if choices(problem) > MOST_CHOICES:
            continue
        compared += 1
        least = least_cost(problem)
        if least is None:
            with pytest.raises(HwsimError):
                plan(problem)
            continue
        solution = plan(problem)
        possible += 1
        costly += least > 0
        assert list(violations(problem, solution)) == [], seed
        assert solution.cost == pytest.approx(least, abs=1e-9), seed
        assert solution.gap == 0, seed
    # Fifteen times at least 36: over 500 problems small enough to try every choice, and enough that say something.
    assert compared >= 36
    assert possible >= 25
    assert costly >= 10


def problem(*nodes, prices=COUNT, real="division", shift=True):
    return Problem(nodes, prices, real, shift)


def chain(constants, *, elements=(8, 6, 4), ranges=((-math.inf, math.inf),) * 3):
    nodes = [Node("images", "source", (), Tensor("x", 10))]
    for i, c in enumerate(constants):
        low, high = ranges[i]
        nodes.append(Node(f"layer{i}", "linear", (nodes[-1].output.name,), Tensor(f"y{i}", elements[i], low, high), c))
    return (*nodes, Node("logits", "output", (nodes[-1].output.name,)))


def test_a_chain_is_divided_once_at_its_end():
    solution = plan(problem(*chain((3.0, 5.0, 7.0))))
    (copy,) = solution.copies
    assert (copy.tensor, copy.kind, copy.elements) == ("y2", "division", 4)
    assert copy.factor.scale == Fraction(1, 105)
    assert str(copy.reason) == "output logits"


def test_a_chain_of_powers_of_two_is_shifted_when_a_shift_is_cheaper():
    solution = plan(problem(*chain((2.0, 4.0, 8.0)), prices={"shift": 0.1, "division": 1}))
    assert [copy.kind for copy in solution.copies] == ["shift"]


def test_constants_that_cancel_need_nothing():
    assert plan(problem(*chain((3.0, 2.0, Fraction(1, 6))))).cost == 0


def residual(main=(3.0, 5.0), elements=8, projected=None):
    """y = W2 W1 x + x, or + P x."""
    shortcut = "x" if projected is None else "p"
    extra = () if projected is None else (Node("P", "linear", ("x",), Tensor("p", 5), projected),)
    return (
        Node("images", "source", (), Tensor("x", 10)),
        Node("W1", "linear", ("x",), Tensor("a", elements), main[0]),
        Node("W2", "linear", ("a",), Tensor("b", 10), main[1]),
        *extra,
        Node("sum", "join", ("b", shortcut), Tensor("y", 10)),
        Node("head", "linear", ("y",), Tensor("z", 2), 7.0),
        Node("logits", "output", ("z",)),
    )


def test_a_residual_is_aligned_at_its_smallest_tensor():
    solution = plan(problem(*residual()))
    # either the 8 elements inside the branch by 1/15, or ten on a side of the sum; then two logits
    assert solution.cost == 8 + 2
    assert [copy.tensor for copy in solution.copies] == ["a", "z"]
    assert solution.copies[0].factor.scale == Fraction(1, 15)
    assert solution.copies[0].reason.effect == "join"


def test_a_projection_with_the_products_constant_needs_no_alignment():
    assert plan(problem(*residual(projected=15.0))).cost == 2
    assert plan(problem(*residual(projected=4.0))).cost == 5 + 2


def test_freedom_removes_an_alignment_and_says_what_was_chosen():
    free = plan(problem(*residual(projected=FreeConstant(10.0, 20.0, 18.0))))
    assert free.cost == 2
    assert free.constants["P"].scale == 15
    shifted = plan(problem(*residual(main=(4.0, 4.0), projected=FreeConstant(8.0, 31.0, 17.0, power_of_two=True))))
    assert shifted.constants["P"].scale == 16


def test_a_chosen_constant_that_makes_a_division_a_shift_is_not_what_forces_it():
    nodes = chain((FreeConstant(2.0, 3.0, 2.9), 5.0, FreeConstant(1.0, 7.0, 7.0)))
    solution = plan(problem(*nodes, prices={"shift": 0.5, "reciprocal": 3.0, "division": 20.0}))
    (copy,) = solution.copies
    assert (copy.kind, copy.cost) == ("shift", 2.0)
    assert str(copy.reason) == "output logits"


def test_a_pin_cuts_the_chain():
    nodes = (
        Node("images", "source", (), Tensor("x", 10)),
        Node("W1", "linear", ("x",), Tensor("a", 20), 3.0),
        Node("gelu", "pin", ("a",), Tensor("g", 20)),
        Node("W2", "linear", ("g",), Tensor("z", 4), 5.0),
        Node("logits", "output", ("z",)),
    )
    solution = plan(problem(*nodes))
    assert solution.cost == 10 + 4  # the images, which are fewer than what the first layer puts out, and the logits
    assert {(copy.tensor, str(copy.reason)) for copy in solution.copies} == {("x", "pin gelu"), ("z", "output logits")}


def test_an_absorbing_operation_prepares_the_scale_that_comes_later():
    nodes = (
        Node("images", "source", (), Tensor("x", 10)),
        Node("W1", "linear", ("x",), Tensor("a", 20), 3.0),
        Node("norm", "absorb", ("a",), Tensor("n", 20)),
        Node("W2", "linear", ("n",), Tensor("z", 4), 5.0),
        Node("logits", "output", ("z",)),
    )
    solution = plan(problem(*nodes))
    assert solution.cost == 0
    assert solution.potentials["n"].scale == Fraction(1, 5)


def test_a_range_forces_a_shift_where_it_is_cheapest():
    wide = (-math.inf, math.inf)
    nodes = chain((16.0, 16.0, 16.0), elements=(8, 6, 4), ranges=(wide, (-2.0, 6.0), wide))
    solution = plan(problem(*nodes, prices={"shift": 1, "division": 3}))
    # y1 would be at 2^8: the images (10), or y0 (8), must be smaller by at least two bits; the logits need the rest
    assert [copy.tensor for copy in solution.copies] == ["y0", "y2"]
    assert all(copy.kind == "shift" for copy in solution.copies)
    assert solution.potentials["y1"].log2 <= 6


def test_products_add_what_their_inputs_have():
    nodes = (
        Node("images", "source", (), Tensor("x", 10)),
        Node("K", "linear", ("x",), Tensor("k", 6), 3.0),
        Node("Q", "linear", ("x",), Tensor("q", 6), 5.0),
        Node("scores", "product", ("k", "q"), Tensor("s", 9)),
        Node("softmax", "pin", ("s",), Tensor("p", 9)),
        Node("logits", "output", ("p",)),
    )
    solution = plan(problem(*nodes))
    assert solution.cost == 6
    assert solution.copies[0].factor.scale == Fraction(1, 15)


def test_a_norm_that_is_divided_out_takes_the_scale_with_it():
    nodes = (
        Node("images", "source", (), Tensor("x", 10)),
        Node("Q", "linear", ("x",), Tensor("q", 6), 5.0),
        Node("norm", "carry", ("q",), Tensor("n", 1)),
        Node("normalised", "quotient", ("q", "n"), Tensor("u", 6)),
        Node("softmax", "pin", ("u",), Tensor("p", 9)),
        Node("logits", "output", ("p",)),
    )
    solution = plan(problem(*nodes))
    assert solution.cost == 0
    assert solution.potentials["q"].scale == solution.potentials["n"].scale == 5
    assert solution.potentials["u"].is_zero


def test_an_idle_multiplier_is_used_only_where_it_pays():
    def nodes(idle):
        return (
            Node("images", "source", (), Tensor("x", 10)),
            Node("W", "linear", ("x",), Tensor("a", 20), 3.0),
            Node("bias", "absorb", ("a",), Tensor("b", 20), idle=idle),
            Node("gelu", "pin", ("b",), Tensor("g", 20)),
            Node("logits", "output", ("g",)),
        )

    cheap = {"shift": 1, "reciprocal": 0.1, "division": 1}
    used = plan(problem(*nodes(20), prices=cheap))
    assert used.cost == pytest.approx(2.0)
    assert used.copies[0].multiplier == "bias"
    assert plan(problem(*nodes(20))).cost == 10  # at equal prices the ten pixels are divided


def test_ranges_that_contradict_name_their_tensors():
    nodes = (
        Node("images", "source", (), Tensor("x", 10)),
        Node("W", "linear", ("x",), Tensor("a", 20), 3.0),
        Node("gelu", "pin", ("a",), Tensor("g", 20, 2.0, 3.0)),
        Node("logits", "output", ("g",)),
    )
    with pytest.raises(HwsimError, match="'g'"):
        plan(problem(*nodes))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prices": {"shift": 1}}, "no price for 'division'"),
        ({"prices": {"shift": -1, "division": 1}}, "price of 'shift' is -1"),
        ({"real": "multiplication"}, "multiplication"),
    ],
)
def test_wrong_problems_are_said_in_one_sentence(options, message):
    with pytest.raises(HwsimError, match=message) as caught:
        problem(*chain((3.0, 5.0, 7.0)), **options)
    assert "\n" not in str(caught.value)


def test_copies_of_one_tensor_are_shared_by_their_readers():
    nodes = (
        Node("images", "source", (), Tensor("x", 10)),
        Node("W", "linear", ("x",), Tensor("a", 6), 3.0),
        Node("one", "pin", ("a",), Tensor("p", 6)),
        Node("two", "pin", ("a",), Tensor("q", 6)),
        Node("sum", "join", ("p", "q"), Tensor("s", 6)),
        Node("logits", "output", ("s",)),
    )
    solution = plan(problem(*nodes))
    assert solution.cost == 6
    assert set(solution.copies[0].readers) == {"one", "two"}


def test_a_copy_is_shifted_from_another_copy_if_the_tensor_itself_is_no_power_of_two_away():
    nodes = (
        Node("images", "source", (), Tensor("x", 1000)),
        Node("W", "linear", ("x",), Tensor("y", 1), 3.0),
        Node("V", "linear", ("x",), Tensor("z", 1000), 4.0),
        Node("gelu", "pin", ("y",), Tensor("g", 1000)),
        Node("sum", "join", ("y", "z"), Tensor("s", 1000)),
        Node("norm", "absorb", ("s",), Tensor("n", 1000)),
        Node("logits", "output", ("g",)),
    )
    solution = plan(problem(*nodes, prices={"shift": 0.25, "division": 1}))
    divided, shifted = solution.copies
    assert (divided.kind, shifted.kind, solution.cost) == ("division", "shift", 1.25)
    assert divided.made_from == solution.potentials["y"]
    assert shifted.made_from == divided.potential
    assert {copy.potential.scale for copy in solution.copies} == {1, 4}
