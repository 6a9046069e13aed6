"""Constants that the planner chooses: the cheapest there are, within bounds, in the words, and reported as they are."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from hwsim import Accelerator, HwsimError, Scaling, capture, get_format, harden
from hwsim.datapath import PlanOptions, make_plan, plan_with_free_constants, true_peaks
from hwsim.hardening import Constants
from hwsim.network import Scale
from tests.datapath.networks import Fire, Residual, captured

IMAGES = torch.randn(6, 3, 12, 12, generator=torch.Generator().manual_seed(3))
ENERGY = PlanOptions({"shift": 0.05, "reciprocal": 3.7, "division": 26.3})
LOWEST = {1.1: 1.99 / 1.1, 2.0: 1.0, 4.0: 0.5, 16.0: 0.125}


class Stream(nn.Module):
    """A residual stream with branches that start behind a LayerNorm, and an activation that needs scale one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, stride=4)
        self.norm = nn.ModuleList(nn.LayerNorm(8) for _ in range(4))
        self.up, self.down = (nn.ModuleList(nn.Linear(*pair) for _ in range(3)) for pair in ((8, 16), (16, 8)))
        self.head = nn.Linear(8, 10)
        for n, layer in enumerate(self.down):
            layer.weight.data *= 1.2**n

    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2)
        for norm, up, down in zip(self.norm, self.up, self.down, strict=False):
            x = x + down(nn.functional.gelu(up(norm(x))))
        return self.head(self.norm[3](x).mean(1))


CASES = {"residual": (Residual, True), "fire": (Fire, False), "stream": (Stream, False)}


@pytest.fixture(params=CASES)
def case(request):
    return captured(*CASES[request.param])


@pytest.fixture(params=[False, True], ids=["any", "power_of_two"])
def power_of_two(request):
    return request.param


def free_plan(network, lowest, power_of_two=False, options=None, fmt="fp32"):
    stored = harden(network, fmt, Scaling(power_of_two=power_of_two))
    return plan_with_free_constants(stored, lowest, peaks=true_peaks(network, IMAGES), options=options)


def largest(network, weight):
    return float(network.parameters[weight].abs().max())


class TestTheCheapest:
    @pytest.mark.parametrize("options", [None, ENERGY], ids=["count", "energy"])
    @pytest.mark.parametrize(("kind", "fold", "lowest"), [(Residual, True, 0.5), (Fire, False, 0.25)])
    def test_no_powers_of_two_within_the_freedom_cost_less(self, kind, fold, lowest, options):
        _, network = captured(kind, fold)
        stored = harden(network, "fp32", Scaling(power_of_two=True))
        choices = []
        for weight in network.weights:
            exponent = int(math.log2(stored.constants[weight].values[0]))
            allowed = [e for e in range(exponent, exponent - 5, -1) if 2.0**e * largest(network, weight) >= lowest]
            choices.append([(weight, Constants.of(Scale(1.0, e))) for e in allowed])
        costs = [
            make_plan(
                stored.with_constants(dict(choice)), "planned", peaks=true_peaks(network, IMAGES), options=options
            ).solution.cost
            for choice in itertools.product(*choices)
        ]
        assert len(costs) >= 16
        free = free_plan(network, lowest, True, options)
        assert free.plan.solution.cost == free.bound == pytest.approx(min(costs))
        assert free.gap == 0
        assert free.fixed.solution.cost == pytest.approx(costs[0])
        assert min(costs) < costs[0]

    def test_no_constants_drawn_from_the_freedom_cost_less(self, case):
        _, network = case
        free = free_plan(network, 0.5, options=ENERGY)
        draw = np.random.default_rng(5)
        for _ in range(5):
            drawn = {
                weight: Constants.of(Scale.of(float(c.values[0]) * draw.uniform(0.25, 1.0)))
                for weight, c in free.preferred.constants.items()
                if weight in network.weights
            }
            fixed = make_plan(
                free.preferred.with_constants(drawn), "planned", peaks=true_peaks(network, IMAGES), options=ENERGY
            )
            assert free.plan.solution.cost <= fixed.solution.cost

    def test_branches_of_a_concatenation_get_one_constant(self):
        _, network = captured(Fire)
        free = free_plan(network, 0.5)
        c = free.hardened.constants
        assert c["one.weight"].values == c["three.weight"].values
        assert [layer.weight for layer in free.lowered] == ["three.weight"]
        assert free.plan.solution.cost == 10  # the logits
        assert free.fixed.solution.cost == 10 + 4 * 12 * 12  # and what one of the branches reads

    def test_layers_that_add_to_one_stream_get_one_constant(self):
        _, network = captured(Stream)
        # Every layer into the stream must give it the scale that the first one does, or the images are rescaled.
        free = free_plan(network, 0.25)
        into = ["stem.weight", *(f"down.{n}.weight" for n in range(3))]
        assert len({free.hardened.constants[weight].values[0] for weight in into}) == 1
        assert free.plan.solution.cost == 0 < free.fixed.solution.cost

    def test_products_that_become_powers_of_two_are_shifted(self):
        _, network = captured(Residual, True)
        free = free_plan(network, 1.0, options=ENERGY)
        assert {copy.kind for copy in free.fixed.solution.copies} == {"reciprocal"}
        assert {copy.kind for copy in free.plan.solution.copies} == {"shift"}
        run = Accelerator(free.hardened, free.plan).run(IMAGES)
        assert run.counts.total.divisions == run.counts.total.reciprocal_multiplications == 0

    def test_a_search_that_is_cut_off_claims_no_proof(self):
        _, network = captured(Residual, True)
        least = free_plan(network, 0.5, True).plan.solution.cost
        cut = free_plan(network, 0.5, True, PlanOptions(time_limit_s=0.0))
        assert cut.bound <= least <= cut.plan.solution.cost <= cut.fixed.solution.cost
        assert cut.gap == pytest.approx(1 - cut.bound / cut.plan.solution.cost)
        assert cut.gap > 0

    def test_what_saves_nothing_changes_nothing(self):
        torch.manual_seed(0)
        network = capture(nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)), torch.zeros(2, 5))
        stored = harden(network, "fp32", Scaling())
        free = plan_with_free_constants(stored, 1.0)
        assert free.hardened is stored
        assert free.plan is free.fixed
        assert (free.saved, free.lowered, free.mean_bits, free.largest_bits) == (0.0, (), 0.0, 0.0)


@pytest.mark.parametrize("share", LOWEST)
@pytest.mark.parametrize("options", [None, ENERGY], ids=["count", "energy"])
class TestWithinBounds:
    def test_the_reference_logits_come_out(self, case, power_of_two, share, options):
        _, network = case
        plain = Accelerator(harden(network, "fp32")).run(IMAGES).logits
        free = free_plan(network, LOWEST[share], power_of_two, options)
        run = Accelerator(free.hardened, free.plan).run(IMAGES)
        if power_of_two and not any("layer_norm" in str(getattr(op, "target", "")) for op in network.operations):
            assert torch.equal(run.logits, plain)
        assert (run.logits - plain).abs().max() < 1e-5 * plain.abs().max()
        total = run.counts.total
        done = total.divisions + total.reciprocal_multiplications + total.shifts + total.alignments
        assert done == len(IMAGES) * sum(copy.elements for copy in free.plan.solution.copies)

    def test_t_is_between_the_bounds_and_so_is_every_word(self, case, power_of_two, share, options):
        _, network = case
        free = free_plan(network, LOWEST[share], power_of_two, options)
        fmt = get_format("fp32")
        for weight in network.weights:
            before, after = (float(h.constants[weight].values[0]) for h in (free.preferred, free.hardened))
            assert after == before or LOWEST[share] <= after * largest(network, weight) <= before * largest(
                network, weight
            )
            assert np.abs(fmt.decode(free.hardened.words[weight])).max() <= fmt.default_target
            assert not power_of_two or math.frexp(after)[0] == 0.5
        assert free.mismatch <= (0.0 if power_of_two else 2.0**-20)

    def test_what_is_reported_adds_up(self, case, power_of_two, share, options):
        _, network = case
        free = free_plan(network, LOWEST[share], power_of_two, options)
        ratio = {
            weight: free.preferred.constants[weight].values[0] / free.hardened.constants[weight].values[0]
            for weight in network.weights
        }
        bits = [math.log2(r) for r in ratio.values()]
        assert {layer.weight for layer in free.lowered} == {weight for weight, r in ratio.items() if r != 1}
        assert free.mean_bits == pytest.approx(np.mean(bits))
        assert free.largest_bits == pytest.approx(max(bits))
        for layer in free.lowered:
            assert layer.bits == pytest.approx(math.log2(ratio[layer.weight]))
            assert layer.target == pytest.approx(
                free.hardened.constants[layer.weight].values[0] * largest(network, layer.weight)
            )
        again = make_plan(free.preferred, "planned", peaks=true_peaks(network, IMAGES), options=options).solution.cost
        assert free.saved == pytest.approx(again - free.plan.solution.cost)
        assert (free.saved > 0) == bool(free.lowered)


@pytest.mark.parametrize("name", ["fp32", "fp16", "q2.5"])
def test_words_are_the_weights_times_the_chosen_constants(name):
    _, network = captured(Residual, True)
    fmt = get_format(name)
    free = free_plan(network, fmt.default_target / 4, options=ENERGY, fmt=name)
    assert free.lowered
    for weight, words in free.hardened.words.items():
        scaled = network.parameters[weight].double().numpy() * float(free.hardened.constants[weight].values[0])
        if name == "q2.5":
            expected = np.clip(np.rint(scaled * 32), -128, 127).astype(np.int8).view(np.uint8)
        else:
            kinds = {"fp32": (np.float32, np.uint32), "fp16": (np.float16, np.uint16)}
            expected = scaled.astype(kinds[name][0]).view(kinds[name][1])
        assert np.array_equal(words, expected)


def test_a_weight_that_two_layers_read_keeps_its_constant():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.out = nn.Linear(6, 6, bias=False), nn.Linear(6, 4)

        def forward(self, x):
            return self.out(torch.relu(self.layer(torch.relu(self.layer(x)))) + x)

    torch.manual_seed(0)
    module = Tied()
    network = capture(module, torch.zeros(2, 6))
    stored = harden(network, "fp32", Scaling())
    free = plan_with_free_constants(stored, 1e-3)
    assert free.hardened.constants["layer.weight"] is stored.constants["layer.weight"]
    x = torch.randn(5, 6)
    run = Accelerator(free.hardened, free.plan).run(x)
    torch.testing.assert_close(run.logits, module(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("scaling", "lowest", "message"),
    [
        (None, 1.0, "weights are not scaled"),
        (Scaling(1.5), 1.6, r"lowest target is 1\.6: it must be above 0 and not above t = 1\.5"),
        (Scaling(), 0.0, "above 0"),
        (Scaling(), math.nan, "above 0"),
        (Scaling(granularity="channel"), 1.0, "planner needs one constant for each layer"),
    ],
)
def test_what_cannot_be_planned_is_said_in_one_sentence(scaling, lowest, message):
    _, network = captured(Fire)
    with pytest.raises(HwsimError, match=message) as caught:
        plan_with_free_constants(harden(network, "fp32", scaling), lowest, peaks=true_peaks(network, IMAGES))
    assert "\n" not in str(caught.value)


def test_it_shows_what_was_saved_and_given_up():
    _, network = captured(Fire)
    shown = str(free_plan(network, 0.5))
    assert shown.startswith("cost 10 (10 by division) instead of 586 (586 by division), proven to within 0\n")
    assert "three.weight" in shown
    assert "\n1 of 4 layers gave up t" in shown
