"""Reading cells of several levels, against sampling, minimisation and counting bits by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from hwsim.errors import HwsimError
from hwsim.memory.physics import levels

# The 2-bit cell of NVMExplorer.
MEANS, SIGMAS = [0.0, 0.38464387, 0.72165694, 1.0], [0.00864567, 0.03351085, 0.02741654, 0.00339958]


@st.composite
def cells(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    count = draw(st.integers(2, 8))
    gaps = draw(st.lists(st.floats(0.1, 1.0), min_size=count - 1, max_size=count - 1))
    sigmas = draw(st.lists(st.floats(0.005, 0.02), min_size=count, max_size=count))
    return np.concatenate([[0.0], np.cumsum(gaps)]), np.array(sigmas)


def test_the_published_symbol_error_of_two_bits() -> None:
    errors = levels.read_errors(MEANS, SIGMAS, levels.likeliest_thresholds(MEANS, SIGMAS))
    assert levels.symbol_error(errors) == pytest.approx(7.9e-9, rel=2e-3)


@given(cells())
def test_likeliest_thresholds_are_where_densities_cross(cell: tuple[np.ndarray, np.ndarray]) -> None:
    mean, sigma = cell
    threshold = levels.likeliest_thresholds(mean, sigma)
    assert np.all((mean[:-1] < threshold) & (threshold < mean[1:]))
    left, right = (
        stats.norm.logpdf(threshold, mean[k : k + len(threshold)], sigma[k:][: len(threshold)]) for k in (0, 1)
    )
    np.testing.assert_allclose(left, right, rtol=1e-8)


def test_likeliest_thresholds_make_the_fewest_errors() -> None:
    mean, sigma = [0.0, 0.5], [0.08, 0.15]
    best = levels.likeliest_thresholds(mean, sigma)
    found = optimize.minimize_scalar(
        lambda t: levels.symbol_error(levels.read_errors(mean, sigma, [t])), bounds=(0.05, 0.45), method="bounded",
        options={"xatol": 1e-10},
    )  # fmt: skip
    assert best[0] == pytest.approx(found.x, abs=1e-6)


def halfway(means: np.ndarray) -> np.ndarray:
    return (means[1:] + means[:-1]) / 2


def test_equal_spreads_are_parted_halfway() -> None:
    np.testing.assert_allclose(levels.likeliest_thresholds([0, 1, 3], [0.1] * 3), [0.5, 2])


@given(cells())
def test_every_cell_is_read_as_some_level(cell: tuple[np.ndarray, np.ndarray]) -> None:
    errors = levels.read_errors(*cell, halfway(cell[0]))
    np.testing.assert_allclose(errors.sum(axis=1), 1, rtol=1e-12)
    assert np.all(errors >= 0)


def test_read_errors_are_those_of_drawn_cells() -> None:
    # A million cells a level: shares within 5 standard errors and 5 cells.
    mean, sigma, threshold = np.array([0, 0.4, 0.8, 1.0]), np.array([0.1, 0.15, 0.1, 0.05]), [0.2, 0.55, 0.9]
    drawn = mean[:, None] + sigma[:, None] * np.random.default_rng(2).standard_normal((4, 1_000_000))
    counted = np.stack([np.bincount(np.searchsorted(threshold, row), minlength=4) / 1e6 for row in drawn])
    exact = levels.read_errors(mean, sigma, threshold)
    assert np.all(abs(counted - exact) <= 5 * np.sqrt(exact * (1 - exact) / 1e6) + 5e-6)


def test_a_misread_far_in_the_tail_keeps_its_precision() -> None:
    errors = levels.read_errors([0, 1], [0.02, 0.02], [0.5])
    assert errors[0, 1] == pytest.approx(stats.norm.sf(25), rel=1e-12)
    assert errors[1, 0] == pytest.approx(stats.norm.cdf(-25), rel=1e-12)


@given(cells(), st.floats(1.05, 3))
def test_broader_levels_are_misread_more(cell: tuple[np.ndarray, np.ndarray], factor: float) -> None:
    mean, sigma = cell
    threshold = halfway(mean)
    fresh, broad = (levels.symbol_error(levels.read_errors(mean, s, threshold)) for s in (sigma, factor * sigma))
    assert broad >= fresh


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_neighbours_in_a_gray_code_differ_in_one_bit(bits: int) -> None:
    code = levels.gray_code(1 << bits)
    assert sorted(code) == list(range(1 << bits))
    assert all(int(a ^ b).bit_count() == 1 for a, b in zip(code[1:], code[:-1], strict=True))


@pytest.mark.parametrize("gray", [True, False])
@pytest.mark.parametrize("count", [2, 4, 8])
def test_bit_errors_are_counted_pair_by_pair(count: int, gray: bool) -> None:
    matrix = np.random.default_rng(count).dirichlet(np.ones(count), count)
    code = [k ^ (k >> 1) if gray else k for k in range(count)]
    width = count.bit_length() - 1
    wrong = np.zeros((2, width))
    for stored in range(count):
        for read in range(count):
            for bit in range(width):
                value = code[stored] >> bit & 1
                if code[read] >> bit & 1 != value:
                    wrong[value, bit] += matrix[stored, read] / (count / 2)
    result = levels.bit_errors(matrix, gray)
    np.testing.assert_allclose(result.zero_to_one, wrong[0], rtol=1e-12)
    np.testing.assert_allclose(result.one_to_zero, wrong[1], rtol=1e-12)
    assert result.mean == pytest.approx(wrong.mean())


def test_a_gray_code_spreads_neighbouring_errors_over_the_bits() -> None:
    errors = levels.read_errors(MEANS, SIGMAS, levels.likeliest_thresholds(MEANS, SIGMAS))
    rate = levels.symbol_error(errors)
    assert levels.bit_errors(errors).mean == pytest.approx(rate / 2, rel=1e-9)
    assert levels.bit_errors(errors, gray=False).mean > levels.bit_errors(errors).mean


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: levels.rising([1, 0]), "two or more rising numbers, not [1.0, 0.0]"),
        (lambda: levels.rising([1]), "two or more rising numbers"),
        (lambda: levels.read_errors([0, 1], [0.1, 0], [0.5]), "sigmas = 0 must be above 0"),
        (lambda: levels.read_errors([0, 1], 0.1, [0.5, 0.6]), "2 levels need 1 rising thresholds"),
        (lambda: levels.read_errors([0, 1, 2], 0.1, [1.5, 0.5]), "3 levels need 2 rising thresholds"),
        (lambda: levels.likeliest_thresholds([0, 0.1], [10.0, 0.1]), "overlap so much"),
        (lambda: levels.bit_errors(np.eye(3)), "3 levels are no whole number of bits"),
        (lambda: levels.bit_errors(np.ones((2, 3))), "must be a square"),
    ],
)
def test_what_has_no_meaning_is_refused_in_one_sentence(call: object, sentence: str) -> None:
    with pytest.raises(HwsimError) as error:
        call()  # type: ignore[operator]
    assert sentence in str(error.value)
