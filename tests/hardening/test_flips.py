"""The error of one flip, against one word after the other and closed forms."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from hwsim import HwsimError, Scaling, capture, get_format, harden
from hwsim.hardening import Constants, rms_flip_error
from hwsim.hardening.flips import SumOfSquares
from hwsim.network import Scale


def network(seed=0):
    torch.manual_seed(seed)
    return capture(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.zeros(2, 4))


@pytest.mark.parametrize("name", ["q2.5", "fp16", "fp8_e5m2", "q2.5_sm"])
@pytest.mark.parametrize("immune", ["none", "sign", "bits 0-2"])
def test_it_is_the_root_mean_square_over_all_flips(name, immune):
    stored, fmt = harden(network(), name, Scaling()), get_format(name)
    squares = []
    for weight, words in stored.words.items():
        (c,) = stored.constants[weight].values
        for word in map(int, words.reshape(-1)):
            for bit in range(fmt.width):
                if not fmt.bit_mask(immune) >> bit & 1:
                    error = float(fmt.decode(word ^ 1 << bit, "float64")) - float(fmt.decode(word, "float64"))
                    squares.append((error / c) ** 2)
    finite = [square for square in squares if math.isfinite(square)]
    assert rms_flip_error(stored, immune) == pytest.approx(math.sqrt(np.mean(finite)))


def test_half_the_constant_doubles_it_in_fixed_point():
    # A flip of bit b errs by 2^b steps whatever the value, and dividing by c makes that c times smaller.
    stored = harden(network(), "q2.5", Scaling())
    half = {w: Constants.of(Scale.of(float(c.values[0]) / 2)) for w, c in stored.constants.items()}
    assert rms_flip_error(stored.with_constants(half)) == pytest.approx(2 * rms_flip_error(stored))


def test_half_the_constant_does_not_double_it_in_floating_point():
    stored = harden(network(), "fp32", Scaling())
    half = {w: Constants.of(Scale.of(float(c.values[0]) / 2)) for w, c in stored.constants.items()}
    before, after = (rms_flip_error(words, "exponent_msb") for words in (stored, stored.with_constants(half)))
    # Sign and fraction err in proportion to the weight, wherever that is; only exponent bits err more.
    assert before < after < 2 * before
    others = rms_flip_error(stored, "exponent")
    assert rms_flip_error(stored.with_constants(half), "exponent") == pytest.approx(others)


def test_bits_that_the_format_does_not_have_are_refused():
    with pytest.raises(HwsimError, match="exponent_msb"):
        rms_flip_error(harden(network(), "q2.5", Scaling()), "exponent_msb")


@pytest.mark.parametrize("power", [0, 300, 479, 500, 640, 1000])
def test_squares_that_no_double_holds_have_a_root_mean(power):
    for first in ([3.0], [3.0, 4.0], [4.0, 3.0, 1.0]):  # each number alone, and all at once
        squares = SumOfSquares()
        squares.add(np.array([1.0]))
        for number in first:
            squares.add(np.array([math.ldexp(number, power)]))
        squares.add(np.array([]))
        count = sum(number**2 for number in first)
        low = 2.0 ** (-2 * power)
        assert squares.root_mean(2) == pytest.approx(math.ldexp(math.sqrt((count + low) / 2), power), rel=1e-15)


@pytest.mark.parametrize("power", [-100, 200, 450])
def test_a_power_of_two_of_the_target_is_one_of_the_error_however_large(power):
    stored = harden(network(), "q2.5", Scaling(power_of_two=True))
    scaled = {w: Constants(c.significand, c.exponent - power, False) for w, c in stored.constants.items()}
    far = replace(stored, constants=scaled)  # the same words, used 2^power times as large
    assert rms_flip_error(far) == math.ldexp(rms_flip_error(stored), power)
