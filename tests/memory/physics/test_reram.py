"""Resistive memory: levels that relax, symbols that are misread, cells that are stuck."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hwsim.errors import HwsimError
from hwsim.memory.physics import levels, reram

MEANS, SIGMAS = [0.0, 0.38464387, 0.72165694, 1.0], [0.00864567, 0.03351085, 0.02741654, 0.00339958]
DAY_S = 86400.0
RELAX = {"start_s": 1.0, "end_s": DAY_S, "growth": 2.0}


def test_the_spread_doubles_between_a_second_and_a_day() -> None:
    np.testing.assert_allclose(reram.relaxation([0, 1, DAY_S**0.5, DAY_S], **RELAX), [1, 1, 1.5, 2])


@given(st.floats(1, 1e9), st.floats(1.01, 10), st.floats(1.1, 4))
def test_spreads_grow_with_time_and_with_the_stated_growth(time: float, later: float, growth: float) -> None:
    state = {**RELAX, "growth": growth}
    assert reram.relaxation(time * later, **state) > reram.relaxation(time, **state)
    assert reram.relaxation(time * later, **{**state, "growth": growth + 0.5}) > reram.relaxation(time * later, **state)


def test_fresh_cells_have_the_published_symbol_error() -> None:
    assert levels.symbol_error(reram.relaxed_read_errors(MEANS, SIGMAS, 0, **RELAX)) == pytest.approx(7.9e-9, rel=2e-3)


def test_relaxed_cells_are_those_of_twice_the_spread_and_the_old_thresholds() -> None:
    errors = reram.relaxed_read_errors(MEANS, SIGMAS, DAY_S, **RELAX)
    threshold = levels.likeliest_thresholds(MEANS, SIGMAS)
    expected = stats.norm.sf((threshold[1] - MEANS[1]) / (2 * SIGMAS[1]))
    assert errors[1, 2] == pytest.approx(expected, rel=1e-9)
    assert levels.symbol_error(errors) > 1e4 * 7.9e-9


def test_a_single_level_cell_relaxes_without_harm() -> None:
    errors = reram.relaxed_read_errors([0, 1], [0.00864567, 0.00339958], 10 * 365.25 * DAY_S, **RELAX)
    assert levels.symbol_error(errors) < 1e-80


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: reram.relaxation(-1, **RELAX), "time_s = -1 runs backwards"),
        (lambda: reram.relaxation(1, **{**RELAX, "growth": 0.5}), "growth = 0.5 is not a growth"),
        (lambda: reram.relaxation(1, **{**RELAX, "end_s": 1.0}), "must be later than start_s = 1"),
    ],
)
def test_what_has_no_meaning_is_refused_in_one_sentence(call: object, sentence: str) -> None:
    with pytest.raises(HwsimError) as error:
        call()  # type: ignore[operator]
    assert sentence in str(error.value)
