"""Cells that wear out: a Weibull distribution through a known point."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import HwsimError
from hwsim.memory.physics.wear import worn_out


@given(st.floats(0, 1e6), st.floats(1e-9, 0.9), st.floats(0.5, 5))
def test_it_is_the_weibull_distribution_through_the_point(cycles: float, failure: float, shape: float) -> None:
    scale = 1e4 / (-math.log1p(-failure)) ** (1 / shape)
    exact = -math.expm1(-((cycles / scale) ** shape))
    share = worn_out(cycles, endurance=1e4, failure=failure, shape=shape)
    assert share == pytest.approx(exact, rel=1e-9, abs=1e-300)
    assert worn_out(1e4, endurance=1e4, failure=failure, shape=shape) == pytest.approx(failure, rel=1e-12)


def test_two_published_points_of_resistive_memory_lie_on_the_square_of_the_writes() -> None:
    assert worn_out(1e3, endurance=1e4, failure=4e-6, shape=2.0) == pytest.approx(4.1e-8, rel=0.03)


def test_writes_less_than_none_are_refused() -> None:
    with pytest.raises(HwsimError, match="cycles = -1 must not be negative"):
        worn_out(-1, endurance=1e4, failure=0.5, shape=2.0)
