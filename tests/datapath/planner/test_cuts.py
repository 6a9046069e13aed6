"""Cuts hold for whatever is possible, and those of several circuits prove the least cost at once."""

import itertools
import random

import pytest

from hwsim.planner import Node, Problem, Tensor, plan
from hwsim.planner.cover import Cover
from hwsim.planner.stars import Cut, Difference
from hwsim.planner.system import Star
from tests.datapath.planner.brute_force import least_cost, partitions, possible_choices

PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89)


def stream(constants, elements, shift=None):
    """A stream that is free to have any scale at its start, is scaled on the way, and is read without a scale before
    and after each layer. `shift` is its price if it is on offer; a division costs 2."""
    nodes = [Node("images", "source", (), Tensor("x", 1)), Node("norm", "absorb", ("x",), Tensor("t0", elements[0]))]
    for n, c in enumerate(constants):
        nodes.append(Node(f"read{n}", "output", (f"t{n}",)))
        nodes.append(Node(f"W{n}", "linear", (f"t{n}",), Tensor(f"t{n + 1}", elements[n + 1]), c))
    nodes.append(Node("logits", "output", (f"t{len(constants)}",)))
    return Problem(tuple(nodes), {"shift": shift, "division": 2}, shift=shift is not None)


@pytest.fixture
def cuts(monkeypatch):
    """The cuts that coverings get, each with the stars that it numbers."""
    found = []
    add = Cover.add
    monkeypatch.setattr(Cover, "add", lambda cover, cut: found.append((cover.stars, cut)) or add(cover, cut))
    return found


def parts_less_one(spread, held):
    """How many classes there are among the ends of a spread, or blocks if they may be shifted, less one."""
    places = [held[end] for difference in spread for end in (difference.a, difference.b)]
    real = all(difference.real for difference in spread)
    return len({place[0] if real else place for place in places}) - 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shift", [None, 0, 1])
def test_every_possible_choice_satisfies_the_cuts_and_some_only_just(shift, seed, cuts):
    draw = random.Random(seed)
    layers = 3 if shift is None else 2
    constants = draw.sample([1, 2, 3, 5, 9, 1.5, 0.5], layers)
    problem = stream(constants, draw.choices([1, 2, 3], k=layers + 1), shift)
    assert plan(problem).cost == least_cost(problem)
    possible = list(possible_choices(problem))
    for stars, cut in cuts:
        spreads = [(stars[min(spread).star].tensor, spread) for spread in cut.spreads]
        held = [sum(parts_less_one(spread, choice[tensor]) for tensor, spread in spreads) for choice in possible]
        assert min(held) == cut.demand
    assert shift is not None or any(cut.demand > 1 and max(map(len, cut.spreads)) > 1 for _, cut in cuts)


def test_cuts_of_several_circuits_prove_the_least_cost_of_a_long_stream():
    # Of 25 reads at different scales one is free, each other one needs a copy.
    solution = plan(stream(PRIMES, [7] * 25), time_limit_s=300)
    assert solution.cost == 24 * 7 * 2
    assert solution.gap == 0


def test_differences_spread_over_the_ends_that_they_connect():
    pairs = [Difference(*pair, True) for pair in [(0, 0, 1), (0, 2, 3), (0, 1, 4), (1, 0, 1)]]
    one, two, three, four = pairs
    assert set(Cut(frozenset(pairs), 2).spreads) == {frozenset({one, three}), frozenset({two}), frozenset({four})}


def apart(ends, pairs, shift=None):
    """A covering of one star that must keep pairs of its ends apart; a division costs 3."""
    star = Star("x", tuple(range(ends)), ("",) * (ends - 1), 1, shift, 3.0)
    cover = Cover((star,))
    for a, b, real in pairs:
        cover.add(Cut(frozenset({Difference(0, a, b, real)})))
    return cover


def least_apart(ends, pairs, shift):
    """What that costs at least, by every way to divide the ends into classes of blocks."""
    costs = []
    for blocks in partitions(list(range(ends))):
        for classes in partitions(blocks) if shift is not None else [[[block] for block in blocks]]:
            kind = {end: (n, m) for n, parts in enumerate(classes) for m, part in enumerate(parts) for end in part}
            if all(kind[a][0] != kind[b][0] if real else kind[a] != kind[b] for a, b, real in pairs):
                costs.append(3 * (len(classes) - 1) + (shift or 0) * (len(blocks) - len(classes)))
    return min(costs)


@pytest.mark.parametrize("shift", [None, 1.0])
def test_pairs_of_one_star_cost_what_the_cheapest_way_to_keep_them_apart_does(shift):
    draw = random.Random(7)
    every = list(itertools.combinations(range(5), 2))
    dear = 0
    for _ in range(20):
        some = draw.sample(every, draw.randint(3, 10))
        pairs = [(a, b, shift is None or draw.random() < 0.6) for a, b in some]
        cover = apart(5, pairs, shift)
        least = least_apart(5, pairs, shift)
        assert cover.solve()[0] == pytest.approx(least)
        dear += bool(cover.joint)
    assert dear >= 5


def test_what_pairs_cost_together_is_said_of_the_fewest_that_do():
    triangle = [(1, 2, True), (1, 4, True), (2, 4, True)]
    cover = apart(6, [(0, 1, True), *triangle, (3, 5, True)])
    assert cover.solve()[0] == pytest.approx(6)  # three classes
    assert cover.joint == {frozenset(Difference(0, *pair) for pair in triangle): 6.0}


def test_a_bound_that_is_enough_needs_no_choice():
    cover = apart(3, [(0, 1, True), (0, 2, True), (1, 2, True)])
    assert cover.solve(enough=3.0) == (pytest.approx(3), None)
    bound, choice = cover.solve(enough=6.1)
    assert bound == pytest.approx(6)
    assert [len(set(partition)) for partition in choice] == [3]
