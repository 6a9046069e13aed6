"""Partitions of one star: their price and the cheapest one that keeps pairs apart, by trying all of them."""

import itertools
import math
import random

import pytest

from hwsim.planner.cover import Cover, Covering
from hwsim.planner.stars import Cut, Difference, cheapest_partition, cost, tie_row, ties
from hwsim.planner.system import Star


def star(ends, shift, real):
    """A star whose ends are the unknowns 10, 11, ..., with turns 20, 21, ... where shifts are on offer."""
    turns = tuple(range(20, 20 + ends)) if shift is not None else ()
    return Star("x", tuple(range(10, 10 + ends)), tuple("abcdef"[: ends - 1]), 1, shift, real, turns)


def price(places, shift, real):
    """Of a class and a block for each end, by the definition: one division a class more, one shift a block more."""
    copies = set(places) - {places[0]}
    first_of_their_class = {kind for kind, _ in copies} - {places[0][0]}
    shifted = len(copies) - len(first_of_their_class)
    total = 0.0
    for count, each in ((len(first_of_their_class), real), (shifted, shift)):
        total += count * (math.inf if each is None else each) if count else 0.0
    return total


PRICES = [(1.0, 2.0), (1.0, None), (None, 2.0), (0.0, 5.0), (2.5, 3.0)]


@pytest.mark.parametrize(("shift", "real"), PRICES)
@pytest.mark.parametrize("seed", range(8))
def test_the_cheapest_partition_is_the_least_of_all(shift, real, seed):
    draw = random.Random(seed)
    ends = 4 + seed % 2
    held = star(ends, shift, real)
    pairs = [pair for pair in itertools.combinations(range(ends), 2) if draw.random() < 0.6]
    apart = {Difference(0, a, b, shift is None or draw.random() < 0.5) for a, b in pairs}
    numbers = list(itertools.product(*(range(end + 1) for end in range(ends))))  # any others are these, renamed
    every = [tuple(zip(kinds, blocks, strict=True)) for kinds in numbers for blocks in numbers]
    possible = [
        places
        for places in every
        if all(places[d.a][0] != places[d.b][0] if d.real else places[d.a] != places[d.b] for d in apart)
    ]
    least = min(price(places, shift, real) for places in possible)
    total, chosen = cheapest_partition(held, apart)
    assert total == least
    if math.isfinite(least):
        assert cost(held, chosen) == price(chosen, shift, real) == least
        assert all(chosen[d.a][0] != chosen[d.b][0] if d.real else chosen[d.a] != chosen[d.b] for d in apart)


@pytest.mark.parametrize(("shift", "real"), PRICES)
def test_copies_cost_a_division_for_each_class_and_a_shift_for_each_other_block(shift, real):
    held = star(4, shift, real)
    for places in itertools.product([(0, 0), (0, 1), (1, 2), (1, 3)], repeat=4):
        assert cost(held, places) == price(places, shift, real)


def test_ties_hold_blocks_together_and_tie_each_other_block_to_its_class():
    held = star(6, 1.0, 2.0)
    found = ties(7, held, ((0, 0), (0, 1), (1, 2), (0, 0), (1, 2), (0, 1)))
    assert {(tie.a, tie.b, tie.shift) for tie in found} == {
        (0, 1, True),
        (0, 3, False),
        (1, 5, False),
        (2, 4, False),
    }
    assert {tie.star for tie in found} == {7}
    rows = [tie_row(held, tie) for tie in found]
    assert {10: -1, 11: 1, 21: -1} in rows
    assert {10: -1, 13: 1} in rows


def test_a_cut_that_asks_for_more_than_before_takes_the_place_of_the_one_that_asks_for_less():
    pairs = frozenset({Difference(0, 0, 1, True), Difference(1, 0, 1, True)})
    cover = Cover([star(2, None, 1.0), star(2, None, 3.0)])
    assert cover.add(Cut(pairs, 1))
    assert cover.solve()[0] == pytest.approx(1.0)
    assert not cover.add(Cut(pairs, 1))
    assert cover.add(Cut(pairs, 2))
    assert cover.solve()[0] == pytest.approx(4.0)
    assert not cover.add(Cut(pairs, 1))
    assert not cover.add(Cut(pairs, 2))
    assert cover.solve()[0] == pytest.approx(4.0)


@pytest.mark.parametrize("seed", range(12))
def test_a_covering_is_the_cheapest_choice_that_satisfies_its_cuts(seed):
    draw = random.Random(seed)
    shift, real = draw.choice([(1.0, 2.0), (None, 2.0), (2.5, 3.0)])
    held = [star(3, shift, real), star(2, shift, real)]
    every = [Difference(n, a, b, shift is None) for n, a, b in [(0, 0, 1), (0, 0, 2), (0, 1, 2), (1, 0, 1)]]
    cuts = [Cut(frozenset(draw.sample(every, draw.choice([1, 1, 2])))) for _ in range(3)]
    cover = Cover(held)
    for cut in cuts:
        cover.add(cut)
    bound, choice = cover.solve()

    def torn(places, d):
        return (
            places[d.star][d.a][0] != places[d.star][d.b][0] if d.real else places[d.star][d.a] != places[d.star][d.b]
        )

    blocks = [(kind, block) for kind in range(3) for block in range(3)]
    least = min(
        sum(price(part, shift, real) for part in places)
        for places in itertools.product(
            itertools.product(blocks[:1], blocks, blocks), itertools.product(blocks[:1], blocks)
        )
        if all(any(torn(places, d) for d in cut.differences) for cut in cuts)
    )
    assert all(any(torn(choice, d) for d in cut.differences) for cut in cuts)
    assert sum(cost(one, part) for one, part in zip(held, choice, strict=True)) == least == pytest.approx(bound)


@pytest.mark.parametrize(("shift", "real"), PRICES)
def test_ends_that_are_all_apart_need_a_copy_each_and_what_is_given_up_saves_one(shift, real):
    held, each = star(3, shift, real), real if shift is None else shift
    pairs = [Difference(0, a, b, shift is None) for a, b in [(0, 1), (0, 2), (1, 2)]]
    cover = Cover([held])
    for pair in pairs:
        cover.add(Cut(frozenset({pair})))
    assert cover.solve()[0] == pytest.approx(2 * each)
    cover = Cover([held, star(2, None, each / 2)])
    for pair in pairs[:2]:
        cover.add(Cut(frozenset({pair})))
    other = Difference(1, 0, 1, True)
    cover.add(Cut(frozenset({pairs[2], other})))
    cover.joint[frozenset(pairs)] = 2 * each
    assert cover.solve()[0] == pytest.approx(1.5 * each)  # one copy serves two differences, the third is given up


def test_half_a_copy_does_not_satisfy_two_differences_that_it_could_make():
    pairs = [Difference(0, 0, 1, True), Difference(0, 0, 2, True)]
    cut = Cut(frozenset(pairs))
    holds = dict.fromkeys(pairs, 0.5)
    assert not Covering(True, 0.0, holds, {0: (0.5, 0.0)}).satisfies(cut)
    assert Covering(True, 0.0, holds, {0: (1.0, 0.0)}).satisfies(cut)
    assert not Covering(True, 0.0, holds, {0: (0.5, 0.5)}).satisfies(cut)  # shifts do not change a class
    weak = [d._replace(real=False) for d in pairs]
    assert Covering(True, 0.0, dict.fromkeys(weak, 0.5), {0: (0.5, 0.5)}).satisfies(Cut(frozenset(weak)))


def test_a_copy_is_shifted_within_the_class_that_leaves_room_for_the_others():
    """End 2 beside end 1 lets end 3 stay beside end 0; beside end 0 it would cost end 3 a division of its own."""
    real = {(0, 1), (1, 3), (2, 3)}
    apart = {Difference(0, a, b, (a, b) in real) for a, b in itertools.combinations(range(4), 2)}
    total, places = cheapest_partition(star(4, 1.0, 2.0), apart)
    assert total == 2.0 + 2 * 1.0
    assert places[0][0] == places[3][0] != places[1][0] == places[2][0]
