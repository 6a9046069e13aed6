"""The list of all sites where a scale changes adds up to what a run counts, in every way and on every network."""

import pytest
import torch
from torch import nn

from hwsim import Accelerator, HwsimError, Scaling, capture, harden
from hwsim.datapath import WAYS, DatapathConfig, PlanOptions, make_plan, true_peaks
from hwsim.datapath.plans.sites import COUNTER_OF, Cause, Site, division_sites, grouped, price
from hwsim.network.scale import Scale
from tests.datapath.networks import Fire, Residual, captured
from tests.datapath.test_planned import Attention, Gated

IMAGES = torch.randn(6, 3, 12, 12, generator=torch.Generator().manual_seed(3))
KINDS = [(Residual, False), (Residual, True), (Fire, False), (Attention, False), (Gated, False)]
USED = [way for way in WAYS if way != "none"]


@pytest.fixture(params=KINDS, ids=lambda case: f"{case[0].__name__}{'-folded' * case[1]}")
def network(request):
    return captured(*request.param)[1]


def adds_up(found, images, reads):
    """The counters of a run from the list alone."""
    counts = dict.fromkeys(COUNTER_OF.values(), 0)
    for site in found:
        if site.kind != "absorbed":
            counts[COUNTER_OF[site.kind]] += site.elements * (reads if site.per_read else images)
    return counts


def counted(total):
    return {name: getattr(total, name) for name in COUNTER_OF.values()}


@pytest.mark.parametrize("way", USED)
@pytest.mark.parametrize("divider", ["exact", "reciprocal"])
@pytest.mark.parametrize("power_of_two", [False, True])
@pytest.mark.parametrize("bias_multiplier", [False, True])
def test_the_list_adds_up_to_the_counters(network, way, divider, power_of_two, bias_multiplier):
    stored = harden(network, "fp32", Scaling(power_of_two=power_of_two))
    try:
        accelerator = Accelerator(
            stored, way, DatapathConfig(batch=4, divider=divider, bias_multiplier=bias_multiplier)
        )
    except HwsimError:
        assert way == "logits"
        return
    found = division_sites(stored, accelerator.plan, DatapathConfig(divider=divider))
    total = accelerator.run(IMAGES).counts.total
    assert adds_up(found, images=6, reads=2) == counted(total)


@pytest.mark.parametrize("way", ["per_weight", "per_layer", "absorbed"])
def test_constants_per_channel_and_stored_biases_are_listed_too(network, way):
    stored = harden(network, "fp32", Scaling(granularity="channel"), store=("weights", "biases"))
    accelerator = Accelerator(stored, way)
    found = division_sites(stored, accelerator.plan)
    assert adds_up(found, 6, 6) == counted(accelerator.run(IMAGES).counts.total)
    weights = [site for site in found if site.tensor in network.weights]
    assert len(weights) == (len(network.layers) if way == "per_weight" else 0)
    for site in weights:
        assert site.constants == len(network.parameters[site.tensor])


def causes(kind, way, fold=False):
    _, network = captured(kind, fold)
    stored = harden(network, "fp32", Scaling())
    return division_sites(stored, Accelerator(stored, way).plan)


class TestCauses:
    """What forces a division, on networks where it can be said by hand."""

    def test_logits_aligns_what_a_sum_joins_and_divides_the_logits(self):
        *joins, last = causes(Residual, "logits", fold=True)
        # Both shortcuts join two products of constants; the smaller one is multiplied up.
        assert [site.kind for site in joins] == ["alignment"] * 2
        for site in joins:
            assert site.cause.general == "the sum needs inputs of one scale"
            assert site.cause.joined
            assert (site.operation, float(site.divisor) < 1) == ("division", True)
        assert (last.tensor, last.readers, last.kind) == ("head with bias", ("logits",), "division")
        assert str(last.cause) == "the logits must be unscaled"

    def test_dividing_right_behind_a_layer_is_forced_by_its_own_constant(self):
        found = causes(Fire, "per_layer")
        assert [site.tensor for site in found] == ["squeeze", "one", "three", "classifier"]
        assert [site.elements for site in found] == [n * 144 for n in (4, 5, 6, 10)]
        assert {site.cause.general for site in found} == {"own constant, right behind its layer"}

    def test_absorbed_names_batchnorm_and_counts_nothing_for_it(self):
        found = causes(Residual, "absorbed")
        taken = [site for site in found if site.kind == "absorbed"]
        assert [(str(site.cause), site.constants) for site in taken] == [
            ("BatchNorm in stem.1 takes the scale up", 0),
            ("BatchNorm in same.1 takes the scale up", 0),
        ]

    def test_an_operation_that_needs_its_input_unscaled_is_named_with_its_module(self):
        module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 10))
        network = capture(module.eval(), torch.zeros(2, 1, 8, 8))
        stored = harden(network, "fp32", Scaling())
        first, *_ = division_sites(stored, Accelerator(stored, "planned", DatapathConfig(bias_multiplier=False)).plan)
        # Dividing the 64 pixels by the first constant is cheaper than dividing what the layer puts out.
        assert (first.tensor, first.elements, first.readers) == ("images", 64, ("0",))
        assert str(first.cause) == "GELU in 1 needs its input unscaled"

    def test_a_range_is_a_cause_and_names_its_format(self):
        _, network = captured(Fire)
        stored = harden(network, "fp32", Scaling(target=2.0**10))
        config = DatapathConfig(activations="fp16")
        plan = make_plan(stored, "planned", config, true_peaks(network, IMAGES))
        found = division_sites(stored, plan, config)
        assert any(site.cause.general == "the range of fp16 would be left" for site in found)

    @pytest.mark.parametrize("power_of_two", [False, True])
    def test_the_price_of_a_plan_is_what_the_planner_says(self, network, power_of_two):
        stored = harden(network, "fp32", Scaling(power_of_two=power_of_two))
        prices = {"division": 7.0, "reciprocal": 3.0, "shift": 0.5}
        planned = make_plan(stored, "planned", peaks=true_peaks(network, IMAGES), options=PlanOptions(prices))
        assert price(division_sites(stored, planned), prices) == pytest.approx(planned.solution.cost)

    def test_groups_keep_every_site_and_element(self, network):
        stored = harden(network, "fp32", Scaling())
        found = division_sites(stored, Accelerator(stored, "planned").plan)
        groups = grouped(found)
        assert sum(group.sites for group in groups) == len(found)
        assert sum(group.elements for group in groups) == sum(site.elements for site in found)
        assert len({(group.kind, group.cause) for group in groups}) == len(groups)


@pytest.mark.parametrize("exponent", [0, -500, 600, -3000])
@pytest.mark.parametrize("significand", [1.0, 1.5])
def test_a_constant_takes_the_bits_that_hold_it(exponent, significand):
    """Two's complement exponents of at least the 10 bits of one layer's constant."""
    bits = Site("x", 1, "division", "division", Scale(significand, exponent), ("logits",), Cause("", "")).constant_bits
    bits -= 23 if significand != 1 else 0
    assert bits >= 10
    assert -(2 ** (bits - 1)) <= exponent < 2 ** (bits - 1)


@pytest.mark.parametrize(
    ("divider", "power_of_two", "operation"),
    [("exact", False, "division"), ("reciprocal", False, "reciprocal"), ("exact", True, "shift")],
)
def test_an_alignment_is_done_and_priced_as_a_division_is(divider, power_of_two, operation):
    _, network = captured(Fire, True)
    stored = harden(network, "fp32", Scaling(power_of_two=power_of_two))
    accelerator = Accelerator(stored, "logits", DatapathConfig(divider=divider))
    found = division_sites(stored, accelerator.plan, DatapathConfig(divider=divider))
    found = [site for site in found if site.kind == "alignment"]
    aligned = sum(site.elements for site in found)
    assert {site.operation for site in found} <= {operation}
    prices = {"shift": 0.0, "reciprocal": 0.0, "division": 0.0, operation: 7.0}
    assert price(found, prices) == 7.0 * aligned
    counts = accelerator.run(torch.zeros(1, *network.input.shape)).counts.total
    assert counts.alignments == aligned
    assert aligned or power_of_two
