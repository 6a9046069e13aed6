"""A repair, applied, keeps every tensor in range; none that is larger or narrower would."""

import pytest
import torch
from torch import nn

from hwsim import Accelerator, HwsimError, Scaling, capture, harden
from hwsim.datapath import DatapathConfig, PlanOptions, division_table, make_plan, true_peaks
from hwsim.datapath.plans.repairs import in_range, repairs
from hwsim.datapath.tensor_format import TensorFormat, TensorFormats
from tests.datapath.networks import Fire, Residual, captured, plan_on
from tests.datapath.test_families import classifier
from tests.datapath.test_planned import Attention

IMAGES = torch.randn(6, 3, 12, 12, generator=torch.Generator().manual_seed(3))
CASES = [  # network, way, t, formats of activations and of accumulators
    (Residual, "logits", 2.0**9, "fp16", "fp32"),
    (Residual, "logits", 2.0**9, "fp8_e5m2", "fp32"),
    (Residual, "per_layer", 2.0**15, "fp32", "fp16"),
    (Residual, "absorbed", 2.0**9, "q7.8", "q7.8"),
    (Fire, "logits", 2.0**9, "q7.8", "fp32"),
    (Fire, "logits", 2.0**9, "fp16", "fp16"),
    (Fire, "per_layer", 2.0**9, "fp16", "fp8_e4m3"),
    (Attention, "absorbed", 2.0**15, "fp16", "fp8_e5m2"),
]


def case(kind, way, target, activations, accumulators, granularity="layer"):
    module, network = captured(kind)
    stored = harden(network, "fp32", Scaling(target, granularity))
    config = DatapathConfig(activations=activations, accumulators=accumulators)
    return module, network, stored, true_peaks(network, IMAGES), config


@pytest.mark.parametrize("settings", CASES, ids=lambda settings: "-".join(map(str, settings[1:])))
@pytest.mark.parametrize("granularity", ["layer", "channel"])
def test_repaired_settings_run_without_overflow_and_give_the_reference(settings, granularity):
    _, way, _, activations, accumulators = settings
    module, network, stored, peaks, config = case(*settings, granularity)
    try:
        before = Accelerator(stored, way, DatapathConfig(activations=activations, accumulators=accumulators)).run(
            IMAGES
        )
    except HwsimError:
        assert (way, granularity) == ("logits", "channel")
        return
    assert before.nonfinite
    found = repairs(stored, way, peaks, config)
    assert {repair.change for repair in found} >= {"format"}
    assert [repair.cost for repair in found] == sorted(repair.cost for repair in found)
    with torch.inference_mode():
        expected = module(IMAGES)
    for repair in found:
        changed = harden(network, "fp32", Scaling(repair.target, granularity))
        wider = DatapathConfig(activations=repair.activations, accumulators=repair.accumulators)
        run = Accelerator(changed, plan_on(changed, repair.way, IMAGES, wider), wider).run(IMAGES)
        assert not run.nonfinite, repair
        # The unscaled network rounds in the same places, though not to the same numbers, and rarely to subnormal ones.
        plain = Accelerator(harden(network, "fp32"), "none", wider).run(IMAGES)
        assert (run.logits - expected).norm() < 6 * (plain.logits - expected).norm()
        total = run.counts.total
        done = total.divisions + total.reciprocal_multiplications + total.shifts + total.alignments
        assert done == repair.cost * len(IMAGES)


@pytest.mark.parametrize("settings", CASES, ids=lambda settings: "-".join(map(str, settings[1:])))
def test_the_target_is_the_largest_that_keeps_the_margin(settings):
    """Held against the true magnitudes times the scales of a network hardened with that target."""
    way = settings[1]
    _, network, stored, peaks, config = case(*settings)
    repair = next(r for r in repairs(stored, way, peaks, config) if r.change == "target")

    def worst(target):
        """The largest magnitude, relative to the top of its format less two bits of headroom."""
        plan = make_plan(harden(network, "fp32", Scaling(target)), way)
        shares = []
        for op in network.operations:
            fmt = config.formats.of_value(network, op, rescaled=bool(plan.rescalings_of(op.name)))
            if float(plan.produced(op.name)) > 1:  # what is not scaled up needs no headroom
                shares.append(peaks[op.name] * float(plan.produced(op.name)) / 2.0**fmt.largest_log2 * 4)
        return max(shares)

    assert worst(repair.target) <= 1.001
    assert worst(repair.target * 1.02) > 1


@pytest.mark.parametrize("settings", CASES, ids=lambda settings: "-".join(map(str, settings[1:])))
def test_the_wider_format_is_the_narrowest_of_the_list_that_holds(settings):
    way = settings[1]
    _, network, stored, peaks, config = case(*settings)
    repair = next(r for r in repairs(stored, way, peaks, config) if r.change == "format")
    plan = make_plan(stored, way)
    width = sum(TensorFormat.of(name).words.width for name in (repair.activations, repair.accumulators))
    for activations in ("fp8_e4m3", "fp8_e5m2", "fp16", "bf16", "fp32"):
        for accumulators in ("fp8_e4m3", "fp8_e5m2", "fp16", "bf16", "fp32"):
            tried = TensorFormats.of(activations, accumulators)
            widths = [tried.activations.words.width, tried.accumulators.words.width]
            before = [config.formats.activations.words.width, config.formats.accumulators.words.width]
            if all(a >= b for a, b in zip(widths, before, strict=True)) and sum(widths) < width:
                assert not in_range(network, plan, peaks, PlanOptions(), tried), (activations, accumulators)


def test_a_plan_is_the_cheapest_of_the_same_constants_and_formats():
    _, _, stored, peaks, config = case(Residual, "logits", 2.0**9, "fp16", "fp32")
    first, *others = repairs(stored, "logits", peaks, config)
    assert first.change == "planned"
    assert first.target == 2.0**9
    assert others


@pytest.mark.parametrize(
    ("name", "activations"),
    [("squeezenet1_1", "fp16"), ("mobilenet_v3_small", "fp16"), ("shufflenet_v2_x0_5", "fp32"), ("lenet", "q7.8")],
)
def test_what_overflows_in_the_table_is_predicted_and_every_repair_ends_it(name, activations):
    """ShuffleNet leaves even FP32; MobileNetV3 has constants inside its activations that overflow with them."""
    module = lenet() if name == "lenet" else classifier(name)
    shape = (1, 28, 28) if name == "lenet" else (3, 64, 64)
    network = capture(module, torch.zeros(2, *shape))
    rows = {row.way: row for row in division_table(network, config=DatapathConfig(activations=activations))}
    row = rows["logits"]
    assert row.overflow == row.predicted != ""
    assert row.repairs
    for way in ("per_weight", "per_layer", "absorbed", "planned"):
        assert rows[way].overflow == rows[way].predicted == ""
    image = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))  # the noise of the table
    for repair in row.repairs:
        stored = harden(network, "fp32", Scaling(repair.target))
        formats = {"activations": repair.activations, "accumulators": repair.accumulators}
        assert (
            not Accelerator(
                stored,
                plan_on(stored, repair.way, image, DatapathConfig(**formats)),
                DatapathConfig(**formats),
            )
            .run(image)
            .nonfinite
        ), repair


def lenet():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(1024, 10),
    ).eval()


def test_a_constant_inside_an_activation_overflows_where_it_is_predicted():
    """hard-sigmoid adds 3 at the scale of its input, which itself is small enough."""
    torch.manual_seed(0)
    module = nn.Sequential(*(nn.Linear(4, 4, bias=False) for _ in range(6)), nn.Hardsigmoid(), nn.Linear(4, 2)).eval()
    for part in module:
        if isinstance(part, nn.Linear):
            part.weight.data.mul_(2.0**-20)
    network = capture(module, torch.zeros(2, 4))
    row = next(row for row in division_table(network) if row.way == "logits")
    assert row.overflow == row.predicted == "6"
    planned = next(row for row in division_table(network) if row.way == "planned")
    assert planned.overflow == planned.predicted == ""
