"""The check of solutions finds whatever is wrong with one, and a wrong one is never taken for a right one."""

from dataclasses import replace
from fractions import Fraction

import pytest

from hwsim.planner import Copy, FreeConstant, Node, Potential, Problem, Reason, Solution, Tensor, violations

COUNT = {"shift": 1, "reciprocal": 2, "division": 3}
ZERO, ONE, TWO, THREE = Potential(), Potential(((2, 1),)), Potential(((2, 2),)), Potential(((3, 1),))
SQUARE, ROOT, HALF = Potential(((3, 2),)), Potential(((3, Fraction(1, 2)),)), Potential(((2, Fraction(1, 2)),))

NODES = [  # a node that reads x and y, the potential of its result where x is at 3 and y at 2, and wrong ones
    (Node("n", "linear", ("x",), Tensor("z", 4), 3), SQUARE, [THREE, ROOT]),
    (Node("n", "linear", ("x",), Tensor("z", 4), Fraction(2, 3)), ONE, [ZERO, HALF, THREE]),
    (Node("n", "carry", ("x",), Tensor("z", 4)), THREE, [SQUARE, ZERO]),
    (Node("n", "join", ("x", "x"), Tensor("z", 4)), THREE, [SQUARE, ZERO]),
    (Node("n", "join", ("x", "y"), Tensor("z", 4)), None, [THREE, ONE, ZERO]),
    (Node("n", "product", ("x", "x"), Tensor("z", 4)), SQUARE, [THREE, ZERO]),
    (Node("n", "product", ("x", "y"), Tensor("z", 4)), THREE + ONE, [THREE - ONE, ONE]),
    (Node("n", "quotient", ("x", "y"), Tensor("z", 4)), THREE - ONE, [THREE + ONE, ONE - THREE]),
    (Node("n", "power", ("x",), Tensor("z", 4), exponent=Fraction(2)), SQUARE, [THREE, ZERO]),
    (Node("n", "power", ("x",), Tensor("z", 4), exponent=Fraction(1, 2)), ROOT, [THREE, SQUARE]),
    (Node("n", "pin", ("x",), Tensor("z", 4)), None, [ZERO, THREE]),
    (Node("n", "absorb", ("x",), Tensor("z", 4)), HALF, []),
    (Node("n", "absorb", ("x",), Tensor("z", 4), idle=4), THREE, [ZERO, SQUARE]),
]


def found(*nodes, copies=(), cost=0.0, constants=None, **potentials):
    solution = Solution(potentials, copies, constants or {}, cost)
    return list(violations(Problem(nodes, COUNT), solution))


START = (  # x and y may have any potential
    Node("images", "source", (), Tensor("i", 10)),
    Node("x from", "absorb", ("i",), Tensor("x", 10)),
    Node("y from", "absorb", ("i",), Tensor("y", 10)),
)


@pytest.mark.parametrize(("node", "right", "wrong"), NODES)
def test_the_equation_of_every_kind_of_node_is_checked(node, right, wrong):
    if right is not None:
        assert found(*START, node, i=ZERO, x=THREE, y=ONE, z=right) == []
    for out in wrong:
        (said,) = found(*START, node, i=ZERO, x=THREE, y=ONE, z=out)
        assert said.startswith(f"'n' ({node.effect}) reads")


def test_images_and_logits_must_be_unscaled():
    logits = Node("logits", "output", ("x",))
    assert found(*START, logits, i=ZERO, x=ZERO, y=ONE) == []
    (said,) = found(*START, logits, i=ZERO, x=ONE, y=ONE)
    assert "'logits' (output)" in said
    (said,) = found(*START, i=ONE, x=ZERO, y=ONE)
    assert "'images' (source)" in said


@pytest.mark.parametrize(("place", "ok"), [(0, False), (1, True), (2, True), (3, False)])
def test_a_tensor_and_its_copies_must_lie_in_its_range(place, ok):
    ranged = Node("x from", "absorb", ("i",), Tensor("x", 4, 0.9, 2.1))
    reader = Node("reader", "carry", ("x",), Tensor("z", 4))
    potential = Potential(((2, place),)) if place else ZERO
    said = found(START[0], ranged, i=ZERO, x=potential)
    assert said == ([] if ok else [f"'x' at {potential} is outside its range"])
    copy = _copy("x", "reader", ONE, potential, "division", 4, 12.0)
    copies, cost = ((), 0.0) if place == 1 else ((copy,), 12.0)
    said = found(START[0], ranged, reader, i=ZERO, x=ONE, z=potential, copies=copies, cost=cost)
    assert said == ([] if ok else [f"'x' at {potential} is outside its range"])


def _copy(tensor, reader, made_from, potential, kind, elements, cost, multiplier=""):
    return Copy(tensor, (reader,), made_from, potential, kind, elements, cost, Reason("pin", reader), multiplier)


READER = Node("reader", "carry", ("x",), Tensor("z", 10))
SHIFTED = _copy("x", "reader", THREE, THREE + TWO, "shift", 10, 10.0)


@pytest.mark.parametrize(
    ("copy", "said"),
    [
        (SHIFTED, None),
        (replace(SHIFTED, kind="division", cost=30.0), None),
        (replace(SHIFTED, potential=THREE + HALF), "'x' is shifted by 0.5"),
        (replace(SHIFTED, potential=SQUARE), "'x' is shifted by 1.58496"),
        (replace(SHIFTED, made_from=ONE, kind="division", cost=30.0), "a copy of 'x' is made from one at 1"),
        # What a copy itself is at is nothing that it could be made from.
        (replace(SHIFTED, made_from=THREE + TWO, kind="division", cost=30.0), "a copy of 'x' is made from one at"),
    ],
)
def test_a_copy_is_made_from_what_is_there_and_by_what_makes_it(copy, said):
    wrong = found(*START, READER, i=ZERO, x=THREE, y=ONE, z=copy.potential, copies=(copy,), cost=copy.cost)
    assert [text[: len(said or "")] for text in wrong] == ([] if said is None else [said])


def test_a_copy_may_be_made_from_another_copy_of_its_tensor_only():
    other = Node("other", "carry", ("x",), Tensor("w", 10))
    first = _copy("x", "other", THREE, ZERO, "division", 10, 30.0)
    second = _copy("x", "reader", ZERO, ONE, "shift", 10, 10.0)
    values = {"i": ZERO, "x": THREE, "y": ONE, "w": ZERO, "z": ONE}
    assert found(*START, other, READER, copies=(first, second), cost=40.0, **values) == []
    strange = Node("other", "carry", ("y",), Tensor("w", 10))
    first = replace(first, tensor="y", made_from=ONE)
    (said,) = found(*START, strange, READER, copies=(first, second), cost=40.0, **values)
    assert said.startswith("a copy of 'x' is made from one at 0")


@pytest.mark.parametrize("cost", [0.0, 9.0, 11.0, 30.0])
def test_the_cost_is_that_of_the_copies(cost):
    values = {"i": ZERO, "x": THREE, "y": ONE, "z": THREE + TWO}
    (said,) = found(*START, READER, copies=(SHIFTED,), cost=cost, **values)
    assert said == f"the copies cost 10, not {cost}"


def test_a_multiplier_that_is_used_takes_up_any_scale_and_has_a_price():
    idle = Node("idle", "absorb", ("x",), Tensor("z", 10), idle=4)
    copy = _copy("x", "idle", THREE, ONE, "reciprocal", 4, 8.0, multiplier="idle")
    assert found(*START, idle, i=ZERO, x=THREE, y=ONE, z=ONE, copies=(copy,), cost=8.0) == []
    # It reads the tensor as it is: the copy is its result.
    (said,) = found(*START, idle, i=ZERO, x=SQUARE, y=ONE, z=ONE, copies=(copy,), cost=8.0)
    assert said.startswith("a copy of 'x' is made from one at 1.58496")
    (said,) = found(*START, idle, i=ZERO, x=THREE, y=ONE, z=ONE)
    assert "'idle' (absorb)" in said


@pytest.mark.parametrize(
    ("freedom", "chosen", "ok"),
    [
        (FreeConstant(1.5, 4, 3), THREE, True),
        (FreeConstant(1.5, 2, 2), THREE, False),
        (FreeConstant(3.5, 9, 4), THREE, False),
        (FreeConstant(3.0, 3.0, 3), THREE, True),
        (FreeConstant(1.5, 4, 3, power_of_two=True), THREE, False),
        (FreeConstant(1.5, 4, 3, power_of_two=True), TWO, True),
    ],
)
def test_a_constant_to_choose_lies_within_its_limits(freedom, chosen, ok):
    layer = Node("layer", "linear", ("x",), Tensor("z", 10), freedom)
    values = {"i": ZERO, "x": ONE, "y": ONE, "z": ONE + chosen}
    assert (not found(*START, layer, constants={"layer": chosen}, **values)) == ok
    assert found(*START, layer, constants={"layer": chosen + ONE}, **values)  # not what was chosen


def test_the_gap_is_the_unproven_part_of_the_cost():
    assert Solution({}, (), cost=8.0, bound=6.0).gap == 0.25
    assert Solution({}, (), cost=8.0, bound=8.0).gap == Solution({}, ()).gap == 0
    assert Solution({}, (), cost=8.0, bound=8.0 * (1 - 1e-12)).gap == 0
