"""Interval bounds: no image within limits exceeds them, and where the largest value is known they are that value."""

import itertools
import math

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from hwsim import Accelerator, HwsimError, Scaling, capture, harden
from hwsim.datapath import DatapathConfig, interval_peaks, make_plan, true_peaks
from hwsim.datapath.plans.ranges import normalised_range
from hwsim.network import teach
from hwsim.network.graph import ATEN
from hwsim.network.operators.bounds import Interval, elementwise, increasing

from .networks import Fire, Residual, captured
from .test_families import FAMILIES, classifier


def corners(shape, low, high):
    """All images whose every element is at one of its limits."""
    return torch.tensor(list(itertools.product((low, high), repeat=math.prod(shape)))).view(-1, *shape)


def integers(module, largest=3):
    """With small integer weights, so that all arithmetic is exact."""
    generator = torch.Generator().manual_seed(3)
    for parameter in module.parameters():
        parameter.data = torch.randint(-largest, largest + 1, parameter.shape, generator=generator).float()
    return module.eval()


# -- equal to brute force -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Linear(8, 5), (8,)),
        (nn.Sequential(nn.Conv2d(1, 3, 2), nn.ReLU6(), nn.Flatten()), (1, 3, 3)),
        (nn.Sequential(nn.Conv2d(2, 4, 2, groups=2, padding=1), nn.ReLU(), nn.Flatten()), (2, 2, 2)),
        (nn.Sequential(nn.Conv1d(2, 3, 2, stride=2), nn.MaxPool1d(2), nn.Flatten()), (2, 4)),
        (nn.Sequential(nn.Linear(6, 6), nn.LeakyReLU(0.5), nn.Unflatten(1, (2, 3)), nn.Flatten()), (6,)),
    ],
)
@pytest.mark.parametrize(("low", "high"), [(-1.0, 2.0), (0.0, 1.0), (-3.0, -1.0)])
def test_one_layer_of_integers_reaches_its_bound_in_a_corner(module, shape, low, high):
    network = capture(integers(module), torch.zeros(1, *shape))
    images = corners(shape, low, high)
    reached, bounds = true_peaks(network, images), interval_peaks(network, low, high)
    assert bounds.keys() == reached.keys()
    (layer,) = network.layers  # its sums are bounded with and without the bias
    sums = layer.target(images, network.parameters[layer.weight], None, *layer.options)
    reached[layer.name] = max(float(sums.abs().max()), reached[network.sole_affine_after(layer).name])
    for name, bound in bounds.items():
        assert reached[name] <= bound <= reached[name] * (1 + 1e-4) + 1e-30


def test_the_bound_of_two_layers_is_the_product_of_their_magnitudes():
    """By hand: |1 -2| on [-1, 1] gives 3 at most; relu then [0, 3] and [0, 1]; 2 * 3 - 1 * 0 = 6."""
    module = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    module[0].weight.data = torch.tensor([[1.0, -2.0], [0.0, 1.0]])
    module[2].weight.data = torch.tensor([[2.0, -1.0]])
    bounds = interval_peaks(capture(module, torch.zeros(1, 2)), -1.0, 1.0)
    assert list(bounds.values()) == pytest.approx([1, 3, 3, 6], rel=1e-5)


@given(ends=st.tuples(st.floats(-8, 8), st.floats(-8, 8)).map(sorted))
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize(
    "function",
    [
        nn.GELU(),
        nn.GELU(approximate="tanh"),
        nn.SiLU(),
        nn.Mish(),
        nn.Hardswish(),
        nn.Sigmoid(),
        nn.Tanh(),
        nn.Hardsigmoid(),
        nn.Softplus(),
        nn.ELU(),
        nn.LeakyReLU(-0.5),
        nn.PReLU(init=-0.5),
    ],
    ids=lambda m: type(m).__name__,
)
def test_functions_of_one_element_are_bounded_by_their_extremes(function, ends):
    if function not in _CAPTURED:
        _CAPTURED[function] = capture(function, torch.zeros(1, 1))
    low, high = ends
    grid = torch.linspace(low, high, 4001, dtype=torch.float64)
    with torch.no_grad():
        largest = float(function.double()(grid).abs().max())
    bound = list(interval_peaks(_CAPTURED[function], low, high).values())[-1]
    assert largest <= bound <= largest + 1e-3 * (1 + high - low)


_CAPTURED: dict[nn.Module, object] = {}


class Applying(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize(
    ("function", "shape", "low", "high", "largest"),
    [
        (nn.LayerNorm(16, eps=1e-12), (16,), -5.0, 9.0, math.sqrt(15)),  # one element of d stands out
        (nn.LayerNorm(16, eps=1.0), (16,), -0.5, 0.5, 15 / 16),  # no further from the mean than bounds allow
        (nn.GroupNorm(2, 4, eps=1e-12), (4, 3), -1.0, 1.0, math.sqrt(5)),
        (nn.RMSNorm(9, eps=1e-12), (9,), -2.0, 2.0, 3.0),
        (Applying(lambda x: functional.softmax(x, -1)), (7,), -9.0, 9.0, 1.0),
        (Applying(lambda x: functional.normalize(x, dim=1)), (7, 2), -9.0, 9.0, 1.0),
        (Applying(lambda x: x.pow(2).mean(1, keepdim=True)), (7,), -3.0, 2.0, 9.0),
        (Applying(lambda x: torch.linalg.vector_norm(x, dim=1, keepdim=True)), (16,), -3.0, 2.0, 12.0),
        (Applying(lambda x: x / (x.abs() + 0.5)), (3,), 1.0, 2.0, 4 / 3),
        (Applying(lambda x: functional.pad(x, (1, 1), value=4.0)), (3,), -1.0, 1.0, 4.0),
    ],
)
def test_operations_on_several_elements_have_their_closed_form(function, shape, low, high, largest):
    network = capture(function, torch.zeros(1, *shape))
    assert interval_peaks(network, low, high)[network.output] == pytest.approx(largest, rel=1e-3)


def test_attention_averages_its_values():
    """Whatever queries and keys are, written out or not; an average of values in [-3, 2] stays in it."""

    class Written(nn.Module):
        def forward(self, x):
            q, k, v = x.chunk(3, dim=-1)
            return (1e3 * q @ k.transpose(-2, -1)).softmax(dim=-1) @ v

    class Built(nn.Module):
        def forward(self, x):
            return functional.scaled_dot_product_attention(*x.chunk(3, dim=-1))

    for module in (Written(), Built()):
        network = capture(module, torch.zeros(1, 5, 12))
        assert interval_peaks(network, -3.0, 2.0)[network.output] == pytest.approx(3, rel=1e-4)


# -- never exceeded -----------------------------------------------------------------------------------------------


class Mixed(nn.Module):
    """Operations that the classifiers of the other tests do not have."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.register_buffer("mask", torch.arange(9) % 2 == 0)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = functional.avg_pool2d(functional.mish(self.norm(self.stem(x))), 2)
        x = functional.interpolate(functional.interpolate(x, size=(5, 5), mode="bilinear"), size=(3, 3))
        x = x.flatten(2).transpose(1, 2)
        x = torch.where(self.mask[:, None], x, 0.25) + functional.elu(x) - x.softmax(-1) * x.sigmoid()
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        x = torch.einsum("bij,bkj->bik", x, functional.normalize(x, dim=-1)) @ x
        return self.head(torch.maximum(x.mean(1), torch.tanh(x.amin(1))).square())


def transformer():
    return torchvision.models.VisionTransformer(12, 4, 2, 2, 16, 32, num_classes=5)


def steepest(module, x, low, high):
    """Images that push the first logit as far as the sign of its gradient tells, a few steps of it."""
    for _ in range(3):
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(module(x).flatten(1)[:, 0].sum(), x)
        x = torch.where(gradient > 0, high, low)
    return x.detach()


@pytest.mark.parametrize("build", [Residual, Fire, Mixed, transformer], ids=lambda b: b.__name__)
@given(seed=st.integers(0, 2**31), low=st.floats(-3, 3), width=st.floats(0, 5))
@settings(max_examples=12, deadline=None)
def test_no_image_within_the_limits_exceeds_the_bounds(build, seed, low, width):
    if build not in _BUILT:
        torch.manual_seed(11)
        module = build().eval()
        _BUILT[build] = module, capture(module, torch.zeros(1, 3, 12, 12))
    module, network = _BUILT[build]
    low, high = torch.tensor([[low - 1], [low], [low + 0.5]])[None, :, :, None], None
    high = low + width
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(6, 3, 12, 12, generator=generator)
    share[2:4] = share[2:4].round()
    images = low + width * share
    images[4:] = steepest(module, images[4:], low, high)
    bounds = interval_peaks(network, low.flatten().tolist(), high.flatten().tolist())
    for name, peak in true_peaks(network, images.clamp(low, high)).items():
        assert peak <= bounds[name], name


_BUILT: dict[object, tuple] = {}


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v3_small", "shufflenet_v2_x0_5", "mnasnet0_5"])
def test_no_image_exceeds_the_bounds_of_a_classifier(name):
    module = classifier(name)
    network = capture(module, torch.zeros(1, 3, FAMILIES[name], FAMILIES[name]))
    low, high = (torch.tensor(v)[:, None, None] for v in normalised_range((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    share = torch.rand(3, 3, FAMILIES[name], FAMILIES[name], generator=torch.Generator().manual_seed(2))
    share[1] = share[1].round()
    images = (low + (high - low) * share).clamp(low, high)
    images[2:] = steepest(module, images[2:], low, high)
    bounds, peaks = interval_peaks(network), true_peaks(network, images)
    assert bounds.keys() == peaks.keys()
    assert all(peaks[name] <= bounds[name] for name in peaks)


def test_rounding_of_long_sums_stays_within_the_bounds():
    """20,000 equal terms, all at their limits: FP32 is off by many units in the last place, in either direction."""
    for weight in (0.1, 0.3, 0.7, 1 / 3):
        module = nn.Linear(20_000, 1, bias=False)
        module.weight.data.fill_(weight)
        network = capture(module, torch.zeros(1, 20_000))
        bound = interval_peaks(network, 0.0, 1.1)[network.output]
        for order in (1, 3, 7):  # summed in runs of different lengths
            x, terms = torch.tensor(1.1), module.weight.data.flatten()
            parts = (x * terms).view(-1, 20_000 // order // 100 * 0 + 100).cumsum(1)[:, -1]
            assert float(parts.cumsum(0)[-1]) <= bound
        assert true_peaks(network, torch.full((1, 20_000), 1.1))[network.output] <= bound


# -- what they are for --------------------------------------------------------------------------------------------


def test_a_plan_from_bounds_keeps_every_image_in_range():
    module, network = captured(Residual)
    stored = harden(network, "fp32", Scaling(target=1000.0))
    plan = make_plan(stored, "planned", DatapathConfig(activations="fp16"), interval_peaks(network, -1.0, 1.0))
    images = torch.rand(8, 3, 12, 12, generator=torch.Generator().manual_seed(0)).round() * 2 - 1
    run = Accelerator(stored, plan, DatapathConfig(activations="fp16")).run(images)
    with torch.inference_mode():
        expected = module(images)
    assert not run.nonfinite
    assert (run.logits - expected).abs().max() < 0.02 * expected.abs().max()


def test_the_assumed_limits_are_those_of_normalised_pixels():
    network = capture(nn.Conv2d(3, 1, 1), torch.zeros(1, 3, 2, 2))
    assert interval_peaks(network)[network.input.name] == pytest.approx((1 - 0.406) / 0.225)
    grey = capture(nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 2, 2))
    assert interval_peaks(grey)[grey.input.name] == pytest.approx((1 - 0.406) / 0.225)
    low, high = normalised_range([0.2860], [0.3530])
    assert interval_peaks(grey, low, high)[grey.input.name] == pytest.approx(0.714 / 0.353)


# -- what cannot be bounded ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "low", "high", "message"),
    [
        (torch.cos, -1.0, 1.0, "aten.cos.default in function has no interval bounds"),
        (lambda x: x / x.flip(1), -1.0, 1.0, "div.Tensor in function has no finite bounds: its divisor may be zero"),
        (lambda x: x.exp().exp(), 0.0, 9.0, "exp.default in function has no finite bounds: bounds have grown beyond"),
        (lambda x: x.log(), -1.0, 9.0, "log.default in function has no finite bounds"),
        (torch.relu, 1.0, -1.0, "lowest no higher than the highest"),
        (torch.relu, 0.0, math.nan, "must be finite"),
        (torch.relu, [0.0, 0.0], 1.0, "2 bounds do not fit images of 3 channels"),
    ],
)
def test_what_has_no_bounds_is_said_in_one_sentence(function, low, high, message):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.function = Applying(function)

        def forward(self, x):
            return self.function(x)

    network = capture(Net(), torch.zeros(1, 3))
    with pytest.raises(HwsimError, match=message) as caught:
        interval_peaks(network, low, high)
    assert "\n" not in str(caught.value)


def test_a_bound_can_be_taught():
    network = capture(Applying(torch.atan), torch.zeros(1, 3))
    with pytest.raises(HwsimError, match="no interval bounds"):
        interval_peaks(network, -1.0, 1.0)
    teach(ATEN.atan.default, bound=elementwise())
    assert interval_peaks(network, -1.0, 1.0)[network.output] == pytest.approx(math.pi / 4, rel=1e-5)
    teach(ATEN.atan.default, bound=lambda f: increasing(f).widened(absolute=1.0))
    assert interval_peaks(network, -1.0, 1.0)[network.output] == pytest.approx(math.pi / 4 + 1, rel=1e-5)


def test_an_interval_knows_its_magnitude():
    x = Interval(torch.tensor([-3.0, 1.0]), torch.tensor([2.0, 4.0]))
    assert x.magnitude.tolist() == [3, 4]
    wider = x.widened(0.5, 1.0)
    assert (wider.low.tolist(), wider.high.tolist()) == ([-5.5, -0.5], [4, 7])
