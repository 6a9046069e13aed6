"""A time limit holds for everything that planning does, and time that runs out proves nothing."""

import math
from types import SimpleNamespace

import pytest

from hwsim.planner import Node, Problem, Tensor, conflicts, deadline, plan, search, violations
from hwsim.planner.cover import Cover
from hwsim.planner.deadline import NEVER, Deadline, OutOfTimeError
from hwsim.planner.stars import Difference, cheapest_partition
from hwsim.planner.system import Star
from tests.datapath.planner.test_cuts import stream

COUNT = {"shift": 1, "reciprocal": 1, "division": 1}


def dense(layers, name="", elements=8):
    """Layers that each read all that was made before them, put side by side: every path must agree with all others."""
    nodes, made = [Node(f"{name}images", "source", (), Tensor(f"{name}x0", elements))], [f"{name}x0"]
    for n in range(layers + 1):
        size = elements * len(made)
        nodes += [
            Node(f"{name}cat{n}", "join", tuple(made), Tensor(f"{name}c{n}", size)),
            Node(f"{name}W{n}", "linear", (f"{name}c{n}",), Tensor(f"{name}x{n + 1}", elements), 3),
        ]
        made.append(f"{name}x{n + 1}")
    return (*nodes, Node(f"{name}logits", "output", (made[-1],)))


@pytest.fixture
def clock(monkeypatch):
    """A clock that only moves when a covering is solved, by one second; and how often that was."""
    now = SimpleNamespace(seconds=0, solved=0)
    monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    covering = Cover._covering

    def solved(self, *args, **options):
        now.solved += 1
        now.seconds += 1
        return covering(self, *args, **options)

    monkeypatch.setattr(Cover, "_covering", solved)
    return now


@pytest.mark.parametrize("limit", [0, 1, 4, 9])
def test_no_covering_is_solved_after_the_deadline(limit, clock):
    problem = Problem(dense(4), COUNT)
    solution = plan(problem, time_limit_s=limit)
    assert clock.solved == limit
    assert list(violations(problem, solution)) == []
    assert 0 <= solution.bound <= solution.cost


def test_what_is_small_is_proven_before_what_is_large_takes_the_time(clock):
    small = stream((3, 5, 7), [2, 3, 1, 4])
    nodes = (*dense(4, "big "), *small.nodes)
    alone = plan(small)
    needed = clock.solved
    clock.seconds = 0
    solution = plan(Problem(nodes, small.prices, shift=False), time_limit_s=needed + 1)
    assert needed > 0
    assert alone.gap == 0
    assert solution.bound >= alone.cost


def test_time_that_runs_out_before_the_last_covering_proves_nothing(monkeypatch):
    solve = Cover.solve

    def loose_and_then_late(self, gap, deadline, enough):
        bound, choice = solve(self, gap, deadline)
        return (bound * 0.9, choice) if gap else (0.0, None)

    monkeypatch.setattr(Cover, "solve", loose_and_then_late)
    solution = plan(stream((3, 5, 7), [2, 3, 1, 4]))
    assert solution.gap == pytest.approx(0.1)


def test_what_may_take_long_stops_when_no_time_is_left(monkeypatch):
    monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: 10.0))
    late = Deadline(10.0)
    star = Star("x", (0, 1, 2), ("a", "b"), 4, 1.0, 2.0, (3, 4, 5))
    with pytest.raises(OutOfTimeError):
        cheapest_partition(star, {Difference(0, 0, 1, True)}, late)
    seen = []

    def examiner(system, piece):
        made = conflicts.Examiner(system, piece)
        seen.append(made)
        return made

    monkeypatch.setattr("hwsim.planner.planning.Examiner", examiner)
    plan(stream((3, 5, 7), [2, 3, 1, 4], shift=1))
    for found in seen:
        ties = found.ties([((0, 0),) * len(star.ends) for star in found.piece.stars])
        if ties:
            with pytest.raises(OutOfTimeError):
                found.examine(ties, late)
    assert seen


def test_a_deadline_leaves_solvers_the_time_until_then(monkeypatch):
    monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: 10.0))
    assert Deadline.after(3).options == {"time_limit": 3.0}
    assert Deadline(8.0).left_s == 0
    assert Deadline(8.0).passed
    assert NEVER.options == {}
    assert math.isinf(NEVER.left_s)
    assert not NEVER.passed


def test_the_first_possible_choice_needs_no_time(clock):
    solution = plan(stream((3, 5, 7), [2, 3, 1, 4]), time_limit_s=0)
    assert clock.solved == 0
    assert solution.cost > 0
    assert solution.gap == 1
    assert search.FIRST_GAP > 0
