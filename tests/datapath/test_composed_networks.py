"""Random networks of every operation with a rule agree with their plain module in every way of dividing.

A hundred of them are always run; `make test-slow` goes through three thousand more.
"""

import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from hwsim import Accelerator, HwsimError, Network, Scaling, capture, harden
from hwsim.datapath import DatapathConfig, interval_peaks
from hwsim.datapath.plans.sites import division_sites
from tests.datapath.composed import SHAPE, composed, operations, reference
from tests.datapath.networks import plan_on
from tests.datapath.test_sites import adds_up, counted

REORDERED = ("hardswish", "hardsigmoid", "_norm", "attention", "pow.Tensor_Scalar", "sqrt")
"""What takes scales up in another order than the plain kernel, and roots, which make other numbers of powers of two."""

POWERS = Scaling(power_of_two=True)
BOTH = ("weights", "biases")


def settings(draw: random.Random) -> list[dict[str, Any]]:
    """The ways of dividing, each with settings that may matter to it."""
    target = draw.choice([None, 2.0**6, 2.0**12])
    found: list[dict[str, Any]] = [{"way": way, "scaling": POWERS} for way in ("per_weight", "per_layer", "absorbed")]
    found += [{"way": way, "scaling": POWERS} for way in ("logits", "planned")]
    found += [{"way": "planned", "scaling": POWERS, "store": BOTH}]
    for way in ("per_weight", "per_layer", "absorbed"):
        scaling = Scaling(target, granularity=draw.choice(["layer", "channel"]))
        options = {"divider": draw.choice(["exact", "reciprocal"]), "bias_multiplier": draw.choice([True, False])}
        found.append({"way": way, "scaling": scaling, "store": draw.choice([("weights",), BOTH]), **options})
    found += [{"way": "logits", "scaling": Scaling(target), "inner_multipliers": inner} for inner in (False, True)]
    found += [{"way": "planned", "scaling": Scaling(target), "divider": "reciprocal", "inner_multipliers": True}]
    found += [{"way": "planned", "scaling": POWERS, "inner_multipliers": True}]
    found += [{"way": "planned", "scaling": Scaling(target), "bias_multiplier": False}]
    found += [{"way": "planned", "scaling": Scaling(target), "store": BOTH}]
    way = draw.choice(["absorbed", "logits", "planned"])
    found += [{"way": way, "scaling": Scaling(target), "folded": True}]
    return found


def disagreements(seed: int, names: Sequence[str] | None = None) -> list[str]:
    """What is wrong with how the datapath runs one network, of operations that are named or drawn."""
    module = composed(seed, names)
    images = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(seed))
    try:
        network = capture(module, images)
    except HwsimError as refused:
        return [] if "one number of images" in str(refused) else [f"refused: {refused}"]
    expected = reference(module, images)
    largest = float(expected.logits.abs().max())
    if not network.layers or not 1e-6 < largest < 1e30:
        return []  # nothing to scale, or nothing that a relative error could be taken of
    allowed = 3e-5 * largest + 50 * expected.slack
    plain = Accelerator(harden(network, "fp32")).run(images).logits
    reordered = any(part in str(op.target) for op in network.operations for part in REORDERED)
    found = []

    def differs(logits: torch.Tensor) -> bool:
        return not bool((logits - expected.logits).abs().max() <= allowed)

    if differs(plain):
        found.append("unscaled")
    folded = network.fold_batchnorm()
    for options in settings(random.Random(seed)):
        given = dict(options)
        used = folded if given.pop("folded", False) else network
        stored = harden(used, "fp32", given.pop("scaling"), given.pop("store", ("weights",)))
        given.pop("way")
        try:
            config = DatapathConfig(batch=2, **given)
            accelerator = Accelerator(stored, plan_on(stored, options["way"], images, config), config)
        except HwsimError:
            if options["way"] != "logits":
                found.append(f"{options} is refused")
            continue
        run = accelerator.run(images)
        if run.nonfinite and options["way"] == "logits":
            continue  # scales that multiply up leave the range of FP32, and the run says so
        if differs(run.logits):
            found.append(f"{options} is off by {(run.logits - expected.logits).abs().max() / largest:.2g}")
        if options["scaling"] is POWERS and not reordered and not torch.equal(run.logits, plain):
            found.append(f"{options} changes bits")
        listed = division_sites(stored, accelerator.plan, config)
        if adds_up(listed, images=3, reads=2) != counted(run.counts.total):
            found.append(f"{options} counts other sites than are listed")
    return found + out_of_bounds(network, seed)


def out_of_bounds(network: Network, seed: int) -> list[str]:
    """Values that are larger than the interval bounds allow."""
    try:
        bounds = interval_peaks(network, -1.0, 1.0)
    except HwsimError:
        return []  # an operation without bounds
    generator = torch.Generator().manual_seed(seed)
    inside = torch.rand(48, *SHAPE, generator=generator) * 2 - 1
    corners = torch.randint(0, 2, (48, *SHAPE), generator=generator) * 2.0 - 1
    uniform = torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1, 1).expand(3, *SHAPE)
    reached = Accelerator(harden(network, "fp32")).peaks(torch.cat([inside, corners, uniform]))
    return [
        f"{name} reaches {peak}, beyond {bounds[name]}"
        for name, peak in reached.items()
        if name in bounds and not peak <= bounds[name]
    ]


def agree(seeds: range) -> None:
    wrong = {f"{seed}: {composed(seed)}": found for seed in seeds if (found := disagreements(seed))}
    assert not wrong


@pytest.mark.parametrize("first", range(0, 100, 20))
def test_a_composed_network_gives_the_logits_of_its_module_in_every_way(first):
    agree(range(first, first + 20))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(100, 3100, 100))
def test_thousands_of_composed_networks_do(first):
    agree(range(first, first + 100))


@pytest.mark.parametrize("name", operations())
def test_each_operation_by_itself_gives_the_logits_of_its_module(name):
    assert not disagreements(operations().index(name), [name])
