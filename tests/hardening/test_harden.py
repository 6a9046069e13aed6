"""Stored words are the scaled weights rounded once; what saturates is counted, what is damaged is refused."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from hwsim import HwsimError, Scaling, capture, get_format, harden
from hwsim.hardening import Constants
from hwsim.network import Scale


def network(*values):
    layer = nn.Linear(len(values), 1)
    layer.weight.data = torch.tensor([values])
    return capture(nn.Sequential(layer), torch.zeros(1, len(values)))


def test_unscaled_fp32_words_are_the_bits_of_the_weights():
    net = network(0.1, -2.5, 1e-40)
    assert np.array_equal(
        harden(net, "fp32").words["0.weight"], np.array([[0.1, -2.5, 1e-40]], np.float32).view(np.uint32)
    )


@pytest.mark.parametrize("name", ["q2.5", "q4.3", "int8", "q2.5_sm"])
@pytest.mark.parametrize("target", [None, 0.7, 3.0, 6.0, 300.0])
def test_clipped_values_are_those_beyond_the_last_code_by_more_than_half_a_step(name, target):
    values = np.random.default_rng(3).standard_normal(500).astype(np.float32)
    net, fmt = network(*values.tolist()), get_format(name)
    stored = harden(net, fmt, Scaling(target))
    (c,) = stored.constants["0.weight"].values
    half = Fraction(fmt.smallest) / 2
    top, bottom = Fraction(fmt.largest) + half, Fraction(fmt.lowest) - half
    exact = [Fraction(float(v)) * Fraction(c) for v in values]
    assert stored.clipped["0.weight"] == sum(x > top or x < bottom for x in exact)
    decoded = fmt.decode(stored.words["0.weight"], np.float64)[0]
    for got, x in zip(decoded, exact, strict=True):
        if bottom <= x <= top:
            assert abs(Fraction(got) - x) <= half


def test_biases_are_stored_on_request_with_constants_of_their_own():
    net = network(0.5, 0.25)
    assert list(harden(net, "fp32").words) == ["0.weight"]
    stored = harden(net, "fp32", Scaling(1.0), store=("weights", "biases"))
    assert list(stored.words) == ["0.weight", "0.bias"]
    bias = net.parameters["0.bias"].abs().item()
    assert stored.constants["0.bias"].values[0] == pytest.approx(1 / bias, rel=1e-6)


def test_constants_storage_counts_only_when_scaled():
    net = network(0.5, 0.3)
    assert harden(net, "fp32").constant_bits == 0
    assert harden(net, "fp32", Scaling()).constant_bits == 33
    assert harden(net, "fp32").stored_bits == 64


@pytest.mark.parametrize(
    ("values", "fmt", "scaling", "message"),
    [
        ((float("nan"), 1.0), "fp32", None, "0.weight holds NaN or infinite"),
        ((1000.0, 1.0), "fp8_e4m3", None, "above the largest fp8_e4m3 value 448"),
        ((1e5, 1.0), "fp16", None, "above the largest fp16 value 65504"),
        ((0.5, 0.1), "fp17", None, "fp17"),
        ((0.5, 0.1), "fp16", Scaling(1e6), "above the range of fp16"),
    ],
)
def test_what_cannot_be_stored_is_said_in_one_sentence(values, fmt, scaling, message):
    with pytest.raises(HwsimError, match=message):
        harden(network(*values), fmt, scaling)


def test_an_unknown_store_names_the_nearest():
    with pytest.raises(HwsimError, match="'weights'"):
        harden(network(0.5, 0.25), "fp32", store=("weight",))


def test_other_constants_give_other_words_for_these_parameters_only():
    layers = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net = capture(layers, torch.zeros(1, 2))
    stored = harden(net, "fp16", Scaling())
    three = Constants.of(Scale.of(3.0))
    other = stored.with_constants({"1.weight": three})
    assert other.constants == {**stored.constants, "1.weight": three}
    assert other.words["0.weight"] is stored.words["0.weight"]
    expected = (net.parameters["1.weight"].double().numpy() * 3).astype(np.float16).view(np.uint16)
    assert np.array_equal(other.words["1.weight"], expected)
    with pytest.raises(HwsimError, match=r"1\.weigth"):
        stored.with_constants({"1.weigth": three})


def test_other_constants_clip_other_values():
    net = network(1.0, 0.5)
    stored = harden(net, "q2.5", Scaling())
    clipping = stored.with_constants({"0.weight": Constants.of(Scale.of(6.0))})
    assert (stored.clipped["0.weight"], clipping.clipped["0.weight"]) == (0, 1)
    assert clipping.words["0.weight"].tolist() == [[127, 96]]


def test_a_module_must_be_captured_first():
    with pytest.raises(HwsimError, match=r"^harden needs a captured network, not Linear: `hwsim.capture"):
        harden(nn.Linear(2, 2), "fp32")
