"""Every way of dividing gives the reference logits without faults, and counts what the closed forms say."""

import gc
import re
import weakref
from typing import ClassVar

import ml_dtypes
import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from hwsim import Accelerator, HwsimError, Scaling, capture, harden
from hwsim.datapath import WAYS, DatapathConfig, division_table, make_plan, true_peaks
from hwsim.datapath.counts import Tally
from tests.datapath.networks import Fire, Residual, build, captured, closed_form

IMAGES = torch.randn(7, 3, 12, 12, generator=torch.Generator().manual_seed(2))
DIVIDING = [way for way in WAYS if way != "none"]


def reference(module):
    with torch.inference_mode():
        return module(IMAGES)


CASES = [(Residual, False), (Residual, True), (Fire, False)]


@pytest.fixture(params=CASES, ids=["residual", "residual-folded", "fire"])
def case(request):
    return captured(*request.param)


@pytest.fixture
def module(case):
    return case[0]


@pytest.fixture
def network(case):
    return case[1]


@pytest.mark.parametrize("way", DIVIDING)
@pytest.mark.parametrize("divider", ["exact", "reciprocal"])
def test_without_faults_the_reference_logits_come_out(module, network, way, divider):
    run = Accelerator(harden(network, "fp32", Scaling()), way, DatapathConfig(divider=divider)).run(IMAGES)
    expected = reference(module)
    assert (run.logits - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("way", DIVIDING)
def test_powers_of_two_change_no_bit(network, way):
    plain = Accelerator(harden(network, "fp32")).run(IMAGES)
    scaled = Accelerator(harden(network, "fp32", Scaling(power_of_two=True)), way).run(IMAGES)
    assert torch.equal(scaled.logits, plain.logits)
    assert scaled.counts.total.divisions == 0
    assert scaled.counts.total.reciprocal_multiplications == 0
    assert scaled.counts.total.shifts > 0


def test_an_accelerator_goes_at_once_with_its_weights(network):
    accelerator = Accelerator(harden(network, "fp32", Scaling()), "absorbed")
    accelerator.run(IMAGES)
    gone = weakref.ref(accelerator)
    gc.disable()
    try:
        del accelerator
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("way", DIVIDING)
def test_powers_of_two_change_no_bit_of_a_convolution_of_many_channels(way):
    """From whose bias torch would start the accumulation, were it added inside."""
    torch.manual_seed(0)
    network = capture(nn.Sequential(nn.Conv2d(256, 8, 1), nn.Flatten()), torch.zeros(1, 256, 4, 4))
    images = torch.randn(4, 256, 4, 4, generator=torch.Generator().manual_seed(1))
    plain = Accelerator(harden(network, "fp32")).run(images)
    scaled = Accelerator(harden(network, "fp32", Scaling(power_of_two=True)), way).run(images)
    assert torch.equal(scaled.logits, plain.logits)


@pytest.mark.parametrize("way", ["per_weight", "per_layer", "absorbed"])
def test_constants_per_channel_are_divided_out(module, network, way):
    run = Accelerator(harden(network, "fp32", Scaling(granularity="channel")), way).run(IMAGES)
    expected = reference(module)
    assert (run.logits - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("target", [2.0**126.99, 2.0**-20])
@pytest.mark.parametrize("way", ["per_weight"])
def test_constants_beyond_fp32_are_divided_out(way, target):
    module = build(Residual)
    with torch.no_grad():
        module(IMAGES)
        first = next(p for p in module.parameters() if p.dim() == 4)
        first.mul_(2.0**-30)  # a layer of tiny weights: c = 2**126.99 / 2**-31 is above the largest FP32 number
    network = capture(module, IMAGES)
    run = Accelerator(harden(network, "fp32", Scaling(target)), way).run(IMAGES)
    expected = reference(module)
    assert (run.logits - expected).abs().max() < 1e-5 * expected.abs().max()


def test_results_do_not_depend_on_how_many_images_are_simulated_at_a_time(network):
    accelerator = Accelerator(harden(network, "q2.5", Scaling()), "per_layer", DatapathConfig(batch=3))
    whole, parts = accelerator.run(IMAGES), accelerator.run(IMAGES, chunk=2)
    assert torch.allclose(whole.logits, parts.logits, atol=1e-6)
    assert whole.counts.total == parts.counts.total


class TestCounts:
    def total(self, network, way, **options):
        scaling = options.pop("scaling", Scaling())
        return Accelerator(harden(network, "fp32", scaling), way, DatapathConfig(**options)).run(IMAGES).counts.total

    def test_macs_and_words_read(self, module, network):
        closed = closed_form(module, IMAGES)
        for way in DIVIDING:
            total = self.total(network, way)
            assert total.macs == closed.macs
            assert total.words_read == closed.weights * len(IMAGES)

    @pytest.mark.parametrize("batch", [1, 2, 3, 7, 50])
    def test_a_batch_shares_one_read_of_the_weights(self, module, network, batch):
        closed = closed_form(module, IMAGES)
        total = self.total(network, "per_weight", batch=batch)
        assert total.words_read == total.divisions == closed.weights * -(-len(IMAGES) // batch)

    def test_divisions_of_each_way(self, module, network):
        closed = closed_form(module, IMAGES)
        assert self.total(network, "per_weight").divisions == closed.weights * len(IMAGES)
        assert self.total(network, "per_layer").divisions == closed.outputs
        assert self.total(network, "logits").divisions == closed.logits
        assert self.total(network, "absorbed").divisions == 0

    def test_a_reciprocal_is_a_multiplication_and_a_power_of_two_a_shift(self, module, network):
        closed = closed_form(module, IMAGES)
        total = self.total(network, "per_layer", divider="reciprocal")
        assert (total.divisions, total.reciprocal_multiplications, total.shifts) == (0, closed.outputs, 0)
        total = self.total(network, "per_layer", scaling=Scaling(target=2.0**20, power_of_two=True))
        assert (total.divisions, total.reciprocal_multiplications, total.shifts) == (0, 0, closed.outputs)

    def test_batchnorm_absorbs_for_nothing_and_a_bias_by_its_multiplier(self):
        _, network = captured(Residual)
        total = self.total(network, "absorbed")
        # stem and same have a BatchNorm; down, shortcut and head have a bias only
        behind_bias = len(IMAGES) * (12 * 6 * 6 + 12 * 6 * 6 + 10)
        assert total.reciprocal_multiplications == behind_bias
        without = self.total(network, "absorbed", bias_multiplier=False)
        assert (without.divisions, without.reciprocal_multiplications) == (behind_bias, 0)

    def test_batchnorm_biases_and_sums_are_counted(self):
        _, network = captured(Residual)
        n = len(IMAGES)
        image, half = 8 * 12 * 12, 12 * 6 * 6
        total = self.total(network, "per_layer")
        assert total.multiplications == n * 2 * image  # the factors of two BatchNorms
        # stem: bias and BatchNorm; same: BatchNorm and its sum; down and shortcut: a bias each, and their sum; head
        assert total.additions == n * (2 * image + 2 * image + 3 * half + 10)

    def test_unequal_scales_are_aligned_before_a_join(self):
        n = len(IMAGES)
        residual = self.total(captured(Residual)[1], "logits")
        assert residual.alignments == n * (8 * 12 * 12 + 12 * 6 * 6)  # the smaller scale of each of two sums
        fire = self.total(captured(Fire)[1], "logits")
        assert fire.alignments in (n * 5 * 12 * 12, n * 6 * 12 * 12)  # one of two branches of a concatenation

    def test_a_resnet18_has_the_published_counts(self):
        network = capture(torchvision.models.resnet18(weights=None), torch.zeros(1, 3, 224, 224))
        rows = {row.way: row.counts.total for row in division_table(network)}
        assert rows["per_weight"].divisions == 11_678_912
        assert rows["per_layer"].divisions == 2_484_712
        assert rows["logits"].divisions == 1_000
        assert rows["absorbed"].divisions == 0
        assert {row.macs for row in rows.values()} == {1_814_073_344}


class TestRefusals:
    def network(self):
        return captured(Residual)[1]

    def test_scaled_weights_that_are_never_divided(self):
        network = self.network()
        with pytest.raises(HwsimError, match="never divided"):
            Accelerator(harden(network, "fp32", Scaling()), "none")

    def test_constants_per_channel_at_the_logits(self):
        network = self.network()
        with pytest.raises(HwsimError, match=r"per channel cannot be divided out at the logits: stem\.0\.weight"):
            Accelerator(harden(network, "fp32", Scaling(granularity="channel")), "logits")

    def test_stored_biases_at_the_logits(self):
        network = self.network()
        stored = harden(network, "fp32", Scaling(), store=("weights", "biases"))
        with pytest.raises(HwsimError, match="cannot lie in faulty memory"):
            Accelerator(stored, "logits")

    def test_an_operation_that_needs_scale_one_at_the_logits(self):
        module = nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 2)).eval()
        network = capture(module, torch.zeros(1, 3))
        stored = harden(network, "fp32", Scaling())
        with pytest.raises(HwsimError, match=r"aten\.gelu\.default in 1 needs its input unscaled"):
            Accelerator(stored, "logits")
        x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
        for way in ("per_weight", "per_layer", "absorbed"):
            got = Accelerator(stored, way).run(x).logits
            assert torch.allclose(got, module(x), atol=1e-6)

    @pytest.mark.parametrize(
        ("after", "setting", "place"),
        [
            (nn.GELU(), "inner_multipliers", "a constant inside aten.gelu.default in 1"),
            (nn.AdaptiveAvgPool1d(1), "inner_multipliers", "a constant inside aten.adaptive_avg_pool1d.default in 1"),
            (nn.Identity(), "bias_multiplier", "the bias addition in 0"),
        ],
    )
    def test_a_plan_for_a_multiplier_that_the_datapath_lacks(self, after, setting, place):
        module = nn.Sequential(nn.Linear(4, 2), after).eval()
        network = capture(module, torch.zeros(2, 3, 4))
        stored = harden(network, "fp32", Scaling())
        x = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))
        plan = make_plan(stored, "planned", DatapathConfig(**{setting: True}), true_peaks(network, x))
        with pytest.raises(HwsimError, match=f"{re.escape(place)}, for which .* no multiplier: .* {setting} = True"):
            Accelerator(stored, plan, DatapathConfig(**{setting: False}))
        got = Accelerator(stored, plan, DatapathConfig(**{setting: True})).run(x).logits
        assert torch.allclose(got, module(x), atol=1e-6)
        plain = make_plan(stored, "planned", DatapathConfig(**{setting: False}), true_peaks(network, x))
        assert torch.allclose(
            Accelerator(stored, plain, DatapathConfig(**{setting: False})).run(x).logits, module(x), atol=1e-6
        )

    def test_a_way_a_divider_a_batch_and_images_that_do_not_exist(self):
        network = self.network()
        stored = harden(network, "fp32", Scaling())
        with pytest.raises(HwsimError, match="did you mean 'per_layer'"):
            Accelerator(stored, "per_layers")
        with pytest.raises(HwsimError, match="did you mean 'reciprocal'"):
            Accelerator(stored, "per_layer", DatapathConfig(divider="reciprocl"))
        with pytest.raises(HwsimError, match="batch 0 is not positive"):
            Accelerator(stored, "per_layer", DatapathConfig(batch=0))
        with pytest.raises(HwsimError, match=r"Images of shape \(2, 1, 12, 12\) do not fit"):
            Accelerator(stored, "per_layer").run(torch.zeros(2, 1, 12, 12))

    def test_a_network_without_words(self):
        with pytest.raises(HwsimError, match="reads stored words, not Network"):
            Accelerator(self.network())


class TestOverflow:
    def deep(self, layers=20):
        torch.manual_seed(0)
        blocks = [part for _ in range(layers) for part in (nn.Linear(16, 16), nn.ReLU())]
        return nn.Sequential(*blocks, nn.Linear(16, 4)).eval()

    def test_is_reported_by_the_layer_where_it_happens(self):
        module = self.deep()
        network = capture(module, torch.zeros(1, 16))
        stored = harden(network, "fp32", Scaling(target=2.0**10))
        x = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
        run = Accelerator(stored, "logits").run(x)
        # The scale after layer k is the product of the first k constants: the activations leave FP32 where their
        # true magnitude times that product does, found here in exact range by doubles.
        scale, y, expected = 1.0, x.double(), None
        for index, part in enumerate(module):
            y = part.double()(y)
            if isinstance(part, nn.Linear):
                scale *= stored.constants[f"{index}.weight"].values[0]
                if float(y.detach().abs().max()) * scale > float(np.finfo(np.float32).max):
                    expected = str(index)
                    break
        assert next(iter(run.nonfinite)) == expected
        assert bool(run.invalid.any())
        assert (run.predictions[run.invalid] == -1).all()
        assert "overflow: first in" in str(run)

    def test_layers_are_told_in_the_order_in_which_they_overflow_first(self):
        """A module called again after others overflowed keeps the place of its first call; what does not, has none."""
        labels = {"first": "early", "second": "sound", "third": "late", "fourth": "early"}
        tally = Tally()
        for operation, values in (("fourth", 2), ("third", torch.tensor(5)), ("second", 0)):
            tally.see(operation, "nonfinite", values)
        assert list(tally.counts(labels).nonfinite.items()) == [("late", 5), ("early", 2)]
        again = Tally()
        again.see("first", "nonfinite", torch.tensor(1))
        tally.add(again, 2)
        assert list(tally.counts(labels).nonfinite.items()) == [("early", 4), ("late", 5)]

    def test_does_not_happen_when_each_layer_divides(self):
        module = self.deep()
        network = capture(module, torch.zeros(1, 16))
        x = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
        run = Accelerator(harden(network, "fp32", Scaling(target=2.0**10)), "per_layer").run(x)
        assert not run.nonfinite
        with torch.inference_mode():
            assert torch.allclose(run.logits, module.float()(x), rtol=1e-4, atol=1e-6)


class TestUnderflow:
    HELD: ClassVar = {  # name -> what its numbers are in the format, by somebody else's rounding
        "fp16": lambda y: y.astype(np.float16),
        "bf16": lambda y: y.astype(ml_dtypes.bfloat16),
        "fp8_e5m2": lambda y: y.astype(ml_dtypes.float8_e5m2),
        "q2.5": lambda y: np.rint(y.astype(np.float64) * 32),  # to nearest even, as the words are
    }

    @pytest.mark.parametrize("name", HELD)
    @pytest.mark.parametrize("power", [0, 10])
    def test_counts_what_becomes_zero_only_in_the_format(self, name, power):
        # Ten binades of magnitudes around the smallest number, one layer, its output at scale one and at 2**10.
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(8, 512, bias=False), nn.ReLU()).eval()
        with torch.no_grad():
            module[0].weight.mul_(2.0 ** torch.randint(-10, 1, (512, 1)) / module[0].weight.abs().max())
        smallest = {"fp16": 2.0**-24, "bf16": 2.0**-133, "fp8_e5m2": 2.0**-16, "q2.5": 2.0**-5}[name]
        x = torch.randn(4, 8, generator=torch.Generator().manual_seed(1)) * 32
        x = torch.from_numpy(self.HELD[name](x.numpy()).astype(np.float32) / (32 if name == "q2.5" else 1)) * smallest
        network = capture(module, x[:1])
        stored = harden(network, "fp32", Scaling(target=2.0**power, power_of_two=True))
        way = "logits" if power else "per_layer"
        run = Accelerator(stored, way, DatapathConfig(activations=name)).run(x)
        assert stored.constants["0.weight"].values[0] == 2.0**power
        images = self.HELD[name](x.numpy()).astype(np.float32) / (32 if name == "q2.5" else 1)
        y = torch.nn.functional.linear(torch.from_numpy(images), module[0].weight.detach() * 2.0**power).numpy()
        expected = int(((y != 0) & (self.HELD[name](y) == 0)).sum())
        assert run.counts["0"].underflows == expected
        assert expected > 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_images_and_labels_of_numpy_are_those_of_torch(module, network, dtype):
    accelerator = Accelerator(harden(network, "fp32"))
    expected = accelerator.run(IMAGES)
    found = accelerator.run(IMAGES.numpy().astype(dtype))
    assert torch.equal(found.logits, expected.logits)
    labels = reference(module).argmax(1)
    wrong = (labels + 1) % labels.max().add(1)
    mixed = torch.cat([labels[:4], wrong[4:]])
    assert found.accuracy(labels.numpy()) == found.accuracy(labels.tolist()) == 1
    assert found.accuracy(mixed.numpy().astype(np.uint8)) == 4 / 7


@pytest.mark.parametrize(
    ("labels", "part"),
    [
        ([0, 1], "7 whole numbers, one for each image, not int64 of shape (2,)"),
        ([[0]] * 7, "of shape (7, 1)"),
        ([0.0] * 7, "not float32"),
        ([True] * 7, "not bool"),
        ("cats", "not str"),
        ([-1] * 7, "from 0, not -1"),
    ],
)
def test_labels_that_are_not_one_class_an_image_are_refused_in_one_sentence(network, labels, part):
    run = Accelerator(harden(network, "fp32")).run(IMAGES)
    with pytest.raises(HwsimError) as error:
        run.accuracy(labels)
    assert part in str(error.value)


def test_images_that_are_no_numbers_are_refused(network):
    with pytest.raises(HwsimError, match="The images must be a tensor of torch or an array of numpy, not str"):
        Accelerator(harden(network, "fp32")).run("images")
