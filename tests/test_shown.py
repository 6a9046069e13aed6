"""What shows itself as a table has in each cell what the object says, in text and in HTML, with names escaped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hwsim import Accelerator, Memory, Scaling, capture, get_format, harden
from hwsim.datapath import WAYS, DatapathConfig, make_plan, plan_with_free_constants, true_peaks
from hwsim.memory import BitFlips, Condition, Device, Phase
from hwsim.network import Affine, Fetch, Linear, Network
from hwsim.words.inspect import describe
from tests.datapath.networks import Residual, captured
from tests.pages import Cells

IMAGES = torch.randn(6, 3, 12, 12, generator=torch.Generator().manual_seed(2))
YEAR = 365.25 * 86_400


@pytest.fixture(scope="module")
def network() -> Network:
    return captured(Residual, False)[1]


def number(cell: str) -> float:
    return float(cell.replace(",", ""))


def cells(shown: Any) -> list[list[str]]:
    return Cells(shown._repr_html_()).rows


def same_as_text(shown: Any) -> bool:
    """Whether the text has the cells of the HTML, line by line, between a heading and maybe a note."""
    lines = str(shown).splitlines()[1:]
    return all(line.split() == " ".join(row).split() for line, row in zip(lines, cells(shown), strict=False))


def test_a_network_shows_every_operation_and_what_it_reads(network: Network) -> None:
    head, *rows = cells(network)
    assert head == ["operation", "kind", "reads", "parameters"]
    for op, row in zip(network.operations, rows, strict=True):
        assert (row[0], row[2]) == (op.name, ", ".join(op.inputs))
        if isinstance(op, Linear | Fetch):
            assert row[3] == f"{op.weight} {tuple(network.parameters[op.weight].shape)}"
        elif isinstance(op, Affine):
            assert row[3].split() == [name for name in (op.multiplier, op.addend) if name]
    assert same_as_text(network)
    assert str(network.whereabouts(network.weights)) in network._repr_html_()


@pytest.mark.parametrize("granularity", ["layer", "channel"])
def test_stored_words_show_every_parameter_with_its_constants(network: Network, granularity: str) -> None:
    stored = harden(network, "q2.5", Scaling(6.0, granularity=granularity))  # beyond the largest code: values saturate
    head, *rows = cells(stored)
    assert head == ["parameter", "words", "constant c", "clipped"]
    assert [row[0] for row in rows] == list(network.weights)
    assert sum(number(row[3]) for row in rows) > 0
    for name, words, constants, clipped in rows:
        weight = network.weights[name].double().numpy()
        assert number(words) == weight.size
        peaks = np.abs(weight).reshape(len(weight), -1).max(1) if granularity == "channel" else np.abs(weight).max()
        ends = [float(end) for end in constants.split(" .. ")]
        assert [min(ends), max(ends)] == pytest.approx([6 / np.max(peaks), 6 / np.min(peaks)], rel=1e-5)
        assert number(clipped) == stored.clipped[name]
    assert same_as_text(stored)


def test_a_memory_shows_where_each_tensor_lies(network: Network) -> None:
    stored = harden(network, "fp16")
    head, *rows = cells(Memory(stored.words, stored.format))
    assert head == ["tensor", "shape", "first word", "words"]
    first = 0
    for (name, weight), row in zip(network.weights.items(), rows, strict=True):
        assert row[:2] == [name, " x ".join(map(str, weight.shape))]
        assert [number(cell) for cell in row[2:]] == [first, weight.numel()]
        first += weight.numel()


def test_a_readout_shows_what_failed_and_what_became_of_it() -> None:
    device = Device("stt_mram", ecc="secded", seed=1)
    device.write(Memory({"w": np.arange(40_000, dtype=np.uint32).reshape(200, 200)}, get_format("fp32")))
    device.advance(Phase(10 * YEAR, Condition(temperature_c=70)))
    readout = device.read()
    table = {name: int(number(value)) for name, value in cells(readout)[1:]}
    assert table.pop("cells read wrong, before decoding") == len(readout.cells) > 100
    assert table.pop("words read wrong, after decoding") == len(readout.faults) > 0
    outcome = readout.outcome
    assert table.pop("codewords corrected") == outcome.corrected > 0
    assert table.pop("codewords detected") == outcome.detected > 0
    assert [table.pop(f"codewords {name}") for name in ("clean", "miscorrected", "silent")] == [
        outcome.clean,
        outcome.miscorrected,
        outcome.silent,
    ]
    assert table == {f"cells changed by {name}": count for name, count in readout.changed.items()}
    assert "Read of a device 10 years old" in readout._repr_html_()


@pytest.mark.parametrize("way", [way for way in WAYS if way != "none"])
def test_a_plan_shows_every_rescaling(network: Network, way: str) -> None:
    plan = Accelerator(harden(network, "fp32", Scaling()), way).plan
    head, *rows = cells(plan)
    assert head == ["value", "for", "divided by", "reason", "forced by"]
    for one, row in zip(plan.rescalings, rows, strict=False):
        assert [row[0], row[1], *row[3:]] == [one.value, ", ".join(one.readers), one.reason, one.forced_by]
        divisor = one.divisor.scale if hasattr(one.divisor, "scale") else one.divisor
        shown = 2 ** float(row[2][2:]) if row[2].startswith("2^") else float(row[2])
        assert shown == pytest.approx(2**divisor.log2, rel=1e-4)
    assert [row[0] for row in rows[len(plan.rescalings) :]] == list(plan.multipliers)
    assert same_as_text(plan)
    assert str(plan).splitlines()[0] == f"{way}: {WAYS[way]}"


def test_a_plan_of_least_cost_shows_its_proof(network: Network) -> None:
    planned = make_plan(harden(network, "fp32", Scaling()), "planned", peaks=true_peaks(network, IMAGES))
    assert f"cost {planned.solution.cost:,.6g}, proven to within" in planned._repr_html_()


def test_free_constants_show_which_layers_gave_up_t(network: Network) -> None:
    stored = harden(network, "fp32", Scaling())
    free = plan_with_free_constants(stored, lowest_target=0.5, peaks=true_peaks(network, IMAGES))
    assert free.lowered
    for layer, row in zip(free.lowered, cells(free)[1:], strict=True):
        assert row[0] == layer.weight
        assert [float(cell) for cell in row[1:]] == pytest.approx([layer.preferred, layer.target, layer.bits], abs=1e-3)
    assert same_as_text(free)


@pytest.mark.parametrize("divider", ["exact", "reciprocal"])
@pytest.mark.parametrize("way", [way for way in WAYS if way != "none"])
@pytest.mark.parametrize("power_of_two", [False, True])
def test_an_accelerator_shows_what_its_run_counts_for_an_image(
    network: Network, way: str, divider: str, power_of_two: bool
) -> None:
    store = ["weights"] if way == "logits" else ["weights", "biases"]
    stored = harden(network, "fp32", Scaling(power_of_two=power_of_two), store)
    accelerator = Accelerator(
        stored, way, DatapathConfig(guards=["clamp", "nonfinite_to_zero"], batch=3, divider=divider, activations="fp16")
    )
    table = dict(cells(accelerator)[1:])
    total = accelerator.run(IMAGES).counts.total
    for counter in ("divisions", "reciprocal_multiplications", "shifts", "alignments"):
        assert number(table[f"{counter.replace('_', ' ')} an image"]) * len(IMAGES) == pytest.approx(
            getattr(total, counter), rel=1e-9
        )
    assert table["divided"].startswith(f"{way}: ")
    assert table["divider"] == divider
    assert table["guards"] == "nonfinite_to_zero, clamp"
    assert table["batch"].startswith("3 images")
    assert (table["activations"], table["accumulators"]) == ("fp16", "fp32")
    assert table["network"] == f"{len(network.operations)} operations, images of 3 x 12 x 12"
    assert table["stored"].startswith(f"{sum(words.size for words in stored.words.values()):,} words of fp32, scaled")
    assert repr(accelerator) == str(accelerator)
    assert same_as_text(accelerator)


def test_a_run_shows_what_every_layer_did(network: Network) -> None:
    run = Accelerator(harden(network, "fp32", Scaling()), "per_layer").run(IMAGES)
    head, *rows = cells(run)
    assert rows == cells(run.counts)[1:]
    assert [row[0] for row in rows] == [*run.counts, "total"]
    for name, row in zip(run.counts, rows, strict=False):
        shown = dict(zip(head[1:], map(number, row[1:]), strict=True))
        assert shown == {counter: run.counts[name].as_dict()[counter] for counter in shown}
        assert sum(shown.values()) == sum(run.counts[name].as_dict().values())  # what is left out is zero everywhere
    for total, *column in zip(rows[-1][1:], *(row[1:] for row in rows[:-1]), strict=True):
        assert number(total) == sum(map(number, column))
    assert str(run).splitlines()[0] in run._repr_html_()


def test_faults_show_what_flipped_in_each_tensor(network: Network) -> None:
    stored = harden(network, "fp16")
    memory = Memory(stored.words, stored.format)
    faults = BitFlips(1e-2).draw(memory, 3)
    head, *rows = cells(faults)
    assert head == ["tensor", "words", "faulty", "sign flips", "exponent flips", "fraction flips"]
    faulty = Memory(stored.words, stored.format)
    faults.apply(faulty)
    for name, *counts in rows:
        before, after = memory.tensor(name), faulty.tensor(name)
        flipped = np.unpackbits((before ^ after).astype(">u2").view(np.uint8)).reshape(-1, 16).sum(0)
        fields = [flipped[0], flipped[1:6].sum(), flipped[6:].sum()]
        assert [number(count) for count in counts] == [before.size, np.count_nonzero(before != after), *fields]
    assert sum(number(row[2]) for row in rows) == len(faults) > 50


def test_a_device_shows_what_it_is_and_how_old() -> None:
    device = Device("stt_mram", ecc="secded", seed=1, cycles=1_000)
    table = dict(cells(device)[1:])
    assert (table["technology"], table["written"], table["code"]) == ("stt_mram", "nothing", "secded")
    assert table["cycles before"] == "1,000"
    device.write(Memory({"w": np.zeros((100, 20), np.uint32)}, get_format("fp32")))
    device.advance(Phase(10 * YEAR, Condition()))
    table = dict(cells(device)[1:])
    assert (table["age"], table["written"]) == ("10 years", "2,000 words of fp32")
    assert table["mechanisms"].split(", ") == [mechanism.name for mechanism in device.mechanisms]
    assert (table["code"], table["cells"]) == (str(device.code), str(device.geometry))


@pytest.mark.parametrize("flips", [(), (30,), (30, 2)])
def test_a_word_shows_its_fields_and_what_flips_make_of_it(flips: tuple[int, ...]) -> None:
    view = describe(0.1, "fp32", flips)
    rows = cells(view)
    assert rows[:4] == [["field", "bits", "content", "meaning"]] + [
        [name, place, bits, next(one.meaning for one in view.fields if one.field.name == name)]
        for name, place, bits in (
            ("sign", "31", "0"),
            ("exponent", "30 to 23", "01111011"),
            ("fraction", "22 to 0", "10011001100110011001101"),
        )
    ]
    values = [float(row[3]) for row in rows[5:]]
    words = [int(row[2], 16) for row in rows[5:]]
    alone = [0x3DCCCCCD ^ 1 << bit for bit in flips]
    together = [0x3DCCCCCD ^ sum(1 << bit for bit in flips)] if len(flips) > 1 else []
    assert words == alone + together
    assert values == [float(np.uint32(word).view(np.float32)) for word in words]
    assert "Bit 0 is the least significant" in view._repr_html_()


def test_names_of_modules_are_escaped() -> None:
    module = nn.Sequential()
    module.add_module("<b>&", nn.Linear(2, 3))
    network = capture(module, torch.zeros(2, 2))
    stored = harden(network, "q2.5")
    for shown in (network, stored, Memory(stored.words, stored.format)):
        assert "<b>" not in shown._repr_html_()
        assert any("<b>&.weight" in cell for row in cells(shown) for cell in row)
