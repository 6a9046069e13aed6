"""Scenarios that hwsim accepts are run to their end: a result that is written, or one short sentence.

The network and its images are tiny, the same for all, and made ready once; what differs is all else that a scenario
says, extreme numbers too.
"""

from __future__ import annotations

import contextlib
import copy
import json
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from hwsim.errors import HwsimError
from hwsim.experiment.catalogue.catalogue import network_of
from hwsim.experiment.catalogue.data import images_of
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.studies import bench, bit_errors, study
from hwsim.experiment.studies.environment import load_captured
from hwsim.experiment.studies.progress import silent
from hwsim.experiment.studies.run import run_scenario
from hwsim.memory import DeviceConfig
from hwsim.memory.technology.constants import technologies, technology

EXTREME = (
    0.0, -0.0, 5e-324, 1e-310, 1e-160, 1e-80, 1e-30, 1e-9, 1e-3, 0.1, 0.5, 1.0, 3.0, 1e3, 1e9, 1e30, 1e80, 1e150, 1e308,
    1.7976931348623157e308, -1e308, -1.0, 2**53 + 1, 10**18,
)  # fmt: skip
WHOLE = (0, 1, 2, 3, 7, 8, 64, 127, 2**16, 2**31, 2**53 + 1, 2**62, 2**63 - 1, 2**63, 10**40)

_UNITS = {"at": "degC", "voltage": "V", "capacity": "B"}  # key -> unit of its quantity; of all others s

_STUDIES: dict[str, dict[str, Any]] = {
    "accuracy": {"memory": {"ber": [1e-2]}, "trials": {"fault_maps": 1}},
    "bit_errors": {"memory": {}},
    "lifetime": {
        "memory": {"flips": {"zero_to_one": 1e-3}, "clusters": [{"scope": "row", "rate": 1e-2}]},
        "mission": {"profile": [{"for": "1 h", "at": "85 degC"}, {"for": "1 h"}], "repeat_for": "1 day"},
        "trials": {"fault_maps": 1},
    },
}
_NUMBERS: dict[str, tuple[str, ...]] = {
    "accuracy": (
        "memory.ber", "memory.zero_to_one", "memory.one_to_zero", "seed", "datapath.batch", "datapath.headroom_bits",
        "datapath.precision_bits", "variants.scaling.target", "variants.scaling.lowest_target", "memory.word_bits",
    ),
    "bit_errors": ("variants.scaling.target", "variants.scaling.target", "seed"),
    "lifetime": (
        "memory.flips.zero_to_one", "memory.flips.one_to_zero", "memory.stuck_at.one", "memory.clusters.rate",
        "memory.clusters.density", "memory.cycles", "memory.banks", "memory.interleave", "memory.word_bits",
        "memory.capacity", "mission.at", "mission.voltage", "mission.refresh_every", "mission.repeat_for",
        "mission.scrub_every", "mission.rewrite_every", "mission.read_at", "mission.write_at", "mission.profile.for",
        "mission.profile.at", "mission.profile.voltage", "mission.profile.duty", "mission.profile.reads_per_s",
        "variants.scaling.target", "seed",
    ),
}  # fmt: skip
_COUNTS = {"seed", "batch", "word_bits", "cycles", "banks", "interleave"}
_QUANTITIES = {"capacity", "at", "voltage", "refresh_every", "repeat_for", "scrub_every", "rewrite_every", "read_at",
               "write_at", "for"}  # fmt: skip
_NOT_IN = {
    "accuracy": ("mission", "memory.flips"),
    "bit_errors": ("mission", "memory.flips", "datapath", "memory.ecc", "variants.divide", "variants.guards"),
    "lifetime": ("nothing",),
}
_WORDS: dict[str, tuple[Any, ...]] = {
    "memory.formats": ("fp32", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2", "int8", "q2.5", "q0.31_sm", "q31.0"),
    "memory.store": ("weights", "biases", ["weights", "biases"]),
    "memory.ecc": ("secded", "parity_zero", "bch_dec", "tmr_exponent", "in_place_secded"),
    "memory.flips.per": ("write", "second", "read"),
    "datapath.activations": ("fp32", "fp16", "q8.7"),
    "datapath.accumulators": ("fp32", "fp16"),
    "datapath.divider": ("exact", "reciprocal"),
    "variants.divide": ("per_weight", "per_layer", "logits", "absorbed", "planned"),
    "variants.guards": ("nonfinite_to_zero", "clamp", "mask_exponent_msb", "out_of_range_to_zero"),
    "variants.scaling.granularity": ("layer", "channel"),
    "variants.scaling.power_of_two": (True, False),
    "mission.profile.powered": (True, False),
}


def made_scenario(chosen: random.Random) -> dict[str, Any]:
    """A small scenario of any study that is accepted, with some words and numbers changed, a few to extremes."""
    while True:
        data = _made(chosen)
        with contextlib.suppress(HwsimError):
            load_scenario(data)
            return data


def _made(chosen: random.Random) -> dict[str, Any]:
    study = chosen.choice((*_STUDIES, "lifetime"))
    data: dict[str, Any] = {
        "name": "x", "study": study, "network": {"name": "tiny"},
        "variants": [{"name": "v", "scaling": {}}], **copy.deepcopy(_STUDIES[study]),
    }  # fmt: skip
    if study != "bit_errors":
        data["data"] = {"images": 2}
    data["memory"]["formats"] = chosen.choice(("fp32", "fp16", "q2.5"))
    if study == "lifetime" and chosen.random() < 0.8:
        name = chosen.choice(technologies())
        data["memory"] |= {"technology": name, "constants": _constants(chosen, name)}
    words = [key for key in _WORDS if not key.startswith(_NOT_IN[study])]
    for _ in range(chosen.choice((0, 0, 1, 2, 3))):
        key = chosen.choice(words)
        _put(data, key, chosen.choice(_WORDS[key]))
    for _ in range(chosen.choice((0, 1, 1, 2))):
        key = chosen.choice(_NUMBERS[study])
        last = key.rpartition(".")[2]
        value = chosen.choice(WHOLE if last in _COUNTS else EXTREME)
        _put(data, key, f"{value} {_UNITS.get(last, 's')}" if last in _QUANTITIES else value)
    return data


def _constants(chosen: random.Random, name: str) -> dict[str, Any]:
    """Constants of a technology, changed a little or to an extreme."""
    known = [technology(name)[one] for one in sorted(DeviceConfig.of(name).constants_used)]
    changed: dict[str, Any] = {}
    for constant in chosen.sample(known, chosen.choice((0, 1, 1, 1, 2))):
        factor = chosen.choice((0.5, 1.25, 2, 10, None, None))
        values = constant.value if isinstance(constant.value, tuple) else (constant.value,)
        new = [chosen.choice(EXTREME) if factor is None else one * factor for one in values]
        changed[constant.name] = new if isinstance(constant.value, tuple) else new[0]
    return changed


def _put(data: dict[str, Any], place: str, value: Any) -> None:
    node: Any = data
    *tables, last = place.split(".")
    for key in tables:
        node = node.setdefault(key, {})
        node = node[0] if isinstance(node, list) else node
    node[last] = value


@cache
def _tiny(biases: bool = True) -> bench.Given:
    """A network of 208 weights and two images."""
    generator = torch.Generator().manual_seed(0)
    module = nn.Sequential(nn.AvgPool2d(7), nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 10, bias=biases))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    images = torch.rand(2, 1, 28, 28, generator=generator)
    return bench.Given(network_of(module.eval(), (1, 28, 28)), images_of(images, torch.tensor([0, 1])))


@cache
def _opened() -> tuple[bench.Opened, Any]:
    scenario = load_scenario({"name": "x", "network": {"name": "tiny"}, "memory": {"format": "fp32", "ber": 0}})
    return bench.open_bench(scenario, silent, _tiny()), load_captured(scenario, _tiny().network)


@contextmanager
def made_ready() -> Iterator[None]:
    """Runs are on the tiny network, whatever a scenario says."""
    opened, captured = _opened()

    def open_bench(scenario: Any, *_: Any) -> bench.Opened:
        environment = {**opened.environment, "inputs": dict(opened.environment["inputs"])}
        return bench.Opened(replace(opened.bench, scenario=scenario, plans={}), dict(opened.facts), environment)

    with (
        patch.object(study, "open_bench", open_bench),
        patch.object(bit_errors, "load_captured", lambda _: captured),
    ):
        yield


def run_to_its_end(data: dict[str, Any], folder: Path) -> None:
    """Runs a scenario in an empty folder; what it writes is read again, and holds finite numbers only."""
    shutil.rmtree(folder, ignore_errors=True)
    with made_ready():
        run_scenario(data, out=folder)
    for path in (*folder.glob("*.json"), folder / "trials.jsonl"):
        for text in path.read_text("utf-8").splitlines() if path.suffix == ".jsonl" and path.exists() else ():
            json.loads(text, parse_constant=_refuse)
        if path.suffix == ".json":
            json.loads(path.read_text("utf-8"), parse_constant=_refuse)
    assert (folder / "results.json").is_file()


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} in a result")
