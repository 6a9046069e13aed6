"""A planned datapath gives the reference logits, does what the planner says, and costs no more than any other way."""

import math
from collections import OrderedDict
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from hwsim import Accelerator, HwsimError, Scaling, capture, harden, planner
from hwsim.datapath import WAYS, DatapathConfig, PlanOptions, first_out_of_range, make_plan, true_peaks
from hwsim.datapath.tensor_format import TensorFormat, TensorFormats
from tests.datapath.networks import Fire, Residual, captured, plan_on

IMAGES = torch.randn(6, 3, 12, 12, generator=torch.Generator().manual_seed(3))


class Attention(nn.Module):
    """Two heads over 36 patches, pre-norm, with GELU: what a vision transformer is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 2, stride=2)
        self.position = nn.Parameter(torch.randn(1, 36, 8) * 0.1)
        self.norm = nn.ModuleList(nn.LayerNorm(8) for _ in range(3))
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2) + self.position
        q, k, v = self.qkv(self.norm[0](x)).chunk(3, dim=-1)
        q, k, v = (t.unflatten(-1, (2, 4)).transpose(1, 2) for t in (q, k, v))
        x = x + self.out(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        x = x + self.down(functional.gelu(self.up(self.norm[1](x))))
        return self.head(self.norm[2](x).mean(1))


class Gated(nn.Module):
    """Squeeze and excitation with hard-swish and SiLU, a product of activations, softmax attention by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
        self.squeeze, self.excite = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.key, self.head = nn.Linear(8, 8, bias=False), nn.Linear(8, 10)

    def forward(self, x):
        x = functional.hardswish(self.first(x))
        gate = functional.adaptive_avg_pool2d(x, 1)
        gate = functional.hardsigmoid(self.excite(functional.silu(self.squeeze(gate))))
        x = self.second(x * gate) + x
        tokens = x.flatten(2).transpose(1, 2)
        scores = torch.softmax(tokens @ self.key(tokens).transpose(1, 2) / math.sqrt(8), dim=-1)
        return self.head((scores @ tokens).mean(1) * 0.5)


KINDS = [(Residual, False), (Residual, True), (Fire, False), (Attention, False), (Gated, False)]


@pytest.fixture(params=KINDS, ids=lambda case: f"{case[0].__name__}{'-folded' * case[1]}")
def case(request):
    return captured(*request.param)


@pytest.mark.parametrize("divider", ["exact", "reciprocal"])
@pytest.mark.parametrize("bias_multiplier", [True, False])
def test_without_faults_the_reference_logits_come_out(case, divider, bias_multiplier):
    module, network = case
    stored = harden(network, "fp32", Scaling())
    run = Accelerator(stored, "planned", DatapathConfig(divider=divider, bias_multiplier=bias_multiplier)).run(IMAGES)
    with torch.inference_mode():
        expected = module(IMAGES)
    assert (run.logits - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("way", [way for way in WAYS if way not in ("none", "logits")])
def test_every_way_that_any_network_can_be_run_in_gives_the_reference(case, way):
    module, network = case
    run = Accelerator(harden(network, "fp32", Scaling()), way).run(IMAGES)
    with torch.inference_mode():
        expected = module(IMAGES)
    assert (run.logits - expected).abs().max() < 1e-5 * expected.abs().max()


def test_powers_of_two_are_shifts_and_change_no_bit_where_nothing_rounds_differently(case):
    _, network = case
    plain = Accelerator(harden(network, "fp32")).run(IMAGES).logits
    run = Accelerator(harden(network, "fp32", Scaling(power_of_two=True)), "planned").run(IMAGES)
    assert run.counts.total.divisions == run.counts.total.reciprocal_multiplications == 0
    calls = {str(getattr(op, "target", "")) for op in network.operations}
    if "aten.hardswish.default" in calls or "aten.layer_norm.default" in calls:
        # Their constants are applied in another order than torch's fused kernels do.
        torch.testing.assert_close(run.logits, plain, rtol=1e-5, atol=1e-6)
    else:
        assert torch.equal(run.logits, plain)


@pytest.mark.parametrize("power_of_two", [False, True])
@pytest.mark.parametrize("bias_multiplier", [True, False])
def test_the_run_counts_what_the_solution_costs(case, power_of_two, bias_multiplier):
    _, network = case
    stored = harden(network, "fp32", Scaling(power_of_two=power_of_two))
    planned = make_plan(stored, "planned", DatapathConfig(bias_multiplier=bias_multiplier), true_peaks(network, IMAGES))
    total = Accelerator(stored, planned, DatapathConfig(bias_multiplier=bias_multiplier)).run(IMAGES).counts.total
    done = total.divisions + total.reciprocal_multiplications + total.shifts + total.alignments
    assert done == planned.solution.cost * len(IMAGES)
    assert planned.solution.gap == 0


def test_no_way_costs_less(case):
    _, network = case
    stored = harden(network, "fp32", Scaling())
    costs = {}
    for way in ("per_layer", "absorbed", "logits", "planned"):
        try:
            total = Accelerator(stored, way).run(IMAGES).counts.total
        except HwsimError:
            assert way == "logits"
            continue
        costs[way] = total.divisions + total.reciprocal_multiplications + total.shifts + total.alignments
    assert costs["planned"] == min(costs.values())


def test_batchnorm_everywhere_makes_dividing_free():
    _, network = captured(Residual)
    planned = make_plan(harden(network, "fp32", Scaling()), "planned", peaks=true_peaks(network, IMAGES))
    # The stem's and the first block's BatchNorm can also prepare the scales of the layers behind them; what is left
    # is the sum of two layers with a bias, whose idle multipliers have to be used, and the logits.
    assert planned.solution.cost <= 12 * 6 * 6 + 10


def test_scales_stay_exact_where_they_must_be_equal(case):
    _, network = case
    stored = harden(network, "fp32", Scaling())
    plan = make_plan(stored, "planned", peaks=true_peaks(network, IMAGES))
    for op in network.operations:
        if str(getattr(op, "target", "")) in ("aten.cat.default", "aten.add.Tensor") and len(op.inputs) > 1:
            assert len({plan.seen(name, op.name) for name in op.inputs}) == 1


def test_prices_decide_the_kind():
    _, network = captured(Fire)
    stored = harden(network, "fp32", Scaling())
    dear = make_plan(
        stored,
        "planned",
        peaks=true_peaks(network, IMAGES),
        options=PlanOptions({"shift": 1, "reciprocal": 1000, "division": 1}),
    )
    assert not any(copy.kind == "reciprocal" for copy in dear.solution.copies)
    with pytest.raises(HwsimError, match="no price for 'division'"):
        make_plan(
            stored, "planned", peaks=true_peaks(network, IMAGES), options=PlanOptions({"shift": 1, "reciprocal": 1})
        )


def test_constants_per_channel_are_refused_with_the_reason():
    _, network = captured(Fire)
    with pytest.raises(HwsimError, match=r"planner needs one constant for each layer, but squeeze\.weight"):
        Accelerator(harden(network, "fp32", Scaling(granularity="channel")), "planned")


class TestRange:
    def deep(self):
        torch.manual_seed(0)
        blocks = [part for _ in range(20) for part in (nn.Linear(16, 16), nn.ReLU())]
        return nn.Sequential(*blocks, nn.Linear(16, 4)).eval()

    def test_a_deep_network_is_divided_inside_before_it_overflows(self):
        module = self.deep()
        network = capture(module, torch.zeros(1, 16))
        stored = harden(network, "fp32", Scaling(target=2.0**10))
        x = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
        assert Accelerator(stored, "logits").run(x).nonfinite
        run = Accelerator(stored, plan_on(stored, "planned", x)).run(x)
        assert not run.nonfinite
        assert torch.allclose(run.logits, module(x), rtol=1e-4, atol=1e-6)
        # Twenty constants of about 2**12 need two rescalings inside FP32's 2**127, and one at the logits.
        constants = [float(stored.constants[layer.weight].values[0]) for layer in network.layers]
        total = math.log2(math.prod(Fraction(c) for c in constants))
        assert run.counts.total.reciprocal_multiplications + run.counts.total.divisions <= 5 * (16 * (total // 100) + 4)

    def test_every_tensor_stays_in_the_range_that_was_asked_for(self):
        network = capture(self.deep(), torch.zeros(1, 16))
        stored = harden(network, "fp32", Scaling(target=2.0**10))
        x = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
        plan = make_plan(stored, "planned", peaks=true_peaks(network, x))
        peaks = Accelerator(stored, plan).peaks(x)
        true = Accelerator(harden(network, "fp32")).peaks(x)
        for name, peak in peaks.items():
            assert peak <= float(np.finfo(np.float32).max) / 4 * 1.001
            scale = plan.produced(name)
            assert peak == pytest.approx(true[name] * float(scale), rel=1e-4)

    @pytest.mark.parametrize("activations", ["fp16", "bf16", "fp32", "fp8_e5m2", "q7.8"])
    @pytest.mark.parametrize("kind", [Residual, Fire])
    def test_the_overflow_of_logits_happens_where_it_is_predicted(self, kind, activations):
        _, network = captured(kind)
        stored = harden(network, "fp32", Scaling(target=2.0**6))
        formats = TensorFormats.of(activations)
        plan = make_plan(stored, "logits")
        predicted = first_out_of_range(network, plan, true_peaks(network, IMAGES), formats)
        run = Accelerator(stored, plan, DatapathConfig(activations=activations)).run(IMAGES)
        first = next(iter(run.nonfinite), None)
        labels = {op.name: op.layer or op.name for op in network.operations}
        assert first == (None if predicted is None else labels[predicted])
        assert (predicted is None) == (activations in ("fp32", "bf16"))

    @pytest.mark.parametrize("activations", ["fp16", "bf16"])
    def test_a_plan_for_narrow_activations_does_not_overflow(self, case, activations):
        module, network = case
        stored = harden(network, "fp32", Scaling(target=2.0**6))
        config = DatapathConfig(activations=activations)
        run = Accelerator(stored, plan_on(stored, "planned", IMAGES, config), config).run(IMAGES)
        assert not run.nonfinite
        with torch.inference_mode():
            expected = module(IMAGES)
        error = (run.logits - expected).abs().max() / expected.abs().max()
        assert error < (0.02 if activations == "fp16" else 0.1)

    def test_a_tensor_that_fits_at_no_scale_is_named(self):
        _, network = captured(Fire)
        stored = harden(network, "fp32", Scaling())
        with pytest.raises(
            HwsimError, match=r"No plan fits the images \(up to 3\.8\d+e\+07\) into fp16, .*wider format"
        ):
            make_plan(stored, "planned", DatapathConfig(activations="fp16"), true_peaks(network, IMAGES * 1e7))

    def test_tensors_are_named_by_the_path_of_their_module(self):
        torch.manual_seed(0)
        mlp = nn.Sequential(OrderedDict(up=nn.Linear(4, 8), act=nn.GELU(), down=nn.Linear(8, 2)))
        mlp.up.weight.data *= 1e6
        network = capture(nn.Sequential(OrderedDict(mlp=mlp)).eval(), torch.zeros(2, 4))
        stored = harden(network, "fp32", Scaling())
        # GELU needs its input at scale one, where it is beyond FP16.
        with pytest.raises(HwsimError, match=r"No plan fits 'mlp\.(up|act)' \(up to \d\.\d+e\+05\) into fp16"):
            make_plan(stored, "planned", DatapathConfig(activations="fp16"), true_peaks(network, torch.randn(3, 4)))

    def test_margins_that_a_format_cannot_hold_are_named(self):
        _, network = captured(Residual)
        stored = harden(network, "fp32", Scaling())
        with pytest.raises(
            HwsimError,
            match=r"No scale fits the images \(up to \d\.\d+\) into q1\.2 with 2 bits of headroom and 6 of precision",
        ):
            make_plan(stored, "planned", DatapathConfig(activations="q1.2"), true_peaks(network, IMAGES))
        with pytest.raises(HwsimError, match=r"into fp8_e4m3 with 20 bits of headroom and 4 of precision"):
            make_plan(
                stored,
                "planned",
                DatapathConfig(activations="fp8_e4m3"),
                true_peaks(network, IMAGES * 1e3),
                options=PlanOptions(headroom_bits=20),
            )

    def test_equal_problems_are_solved_once(self, monkeypatch):
        _, network = captured(Residual)
        solved = []
        monkeypatch.setattr(
            "hwsim.planner.plan", lambda *problem: solved.append(problem) or planner.planning.plan(*problem)
        )
        stored = harden(network, "fp32", Scaling(target=1.37))
        first = make_plan(stored, "planned", peaks=true_peaks(network, IMAGES))
        assert (
            make_plan(harden(network, "fp32", Scaling(target=1.37)), "planned", peaks=true_peaks(network, IMAGES))
            == first
        )
        assert len(solved) == 1
        make_plan(harden(network, "fp32", Scaling(target=1.38)), "planned", peaks=true_peaks(network, IMAGES))
        assert len(solved) == 2


class TestTensorFormats:
    VALUES = (
        torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(1)).contiguous(
            memory_format=torch.channels_last
        )
        * 300
    )

    @pytest.mark.parametrize("name", ["fp32", "fp16", "bf16", "fp8_e5m2", "fp8_e4m3", "q7.8", "int8"])
    def test_rounding_is_that_of_the_words(self, name):
        fmt = TensorFormat.of(name)
        rounded = fmt.rounded(self.VALUES)
        expected = fmt.words.decode(fmt.words.encode(self.VALUES.numpy()))
        np.testing.assert_array_equal(rounded.numpy(), expected)
        assert rounded.is_contiguous(memory_format=torch.channels_last)
        outside = np.abs(self.VALUES.numpy().astype(np.float64)) > fmt.words.largest + abs(fmt.words.largest) * 0.07
        assert fmt.overflowed(self.VALUES, rounded) >= outside.sum()
