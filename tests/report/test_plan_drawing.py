"""A drawing shows every operation, every rescaling with its elements, and every absorption; nothing overlaps."""

import math
import re
from xml.etree import ElementTree

import pytest
import torch

from hwsim import Accelerator, HwsimError, Scaling, capture, harden
from hwsim.datapath import WAYS
from hwsim.datapath.plans.sites import division_sites
from hwsim.report.plan_drawing import LONGEST_LABEL, MARKS, _short, draw_plan
from tests.datapath.networks import Fire, Residual, captured
from tests.datapath.test_planned import Attention, Gated

IMAGES = torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(1))
SVG = "{http://www.w3.org/2000/svg}"


def texts(drawing):
    return [element.text for element in ElementTree.fromstring(drawing).iter(f"{SVG}text")]


def elements(drawing, mark):
    """The sum of elements that all marks of one kind name."""
    found = [text for text in texts(drawing)[4:] if text.startswith(MARKS[mark])]
    return sum(int(re.search(r"([\d,]+) (elements|words)", text).group(1).replace(",", "")) for text in found)


def drawn(kind, way, fold_batchnorm=False, fold=0):
    """The network, its counts, and the drawing of one way."""
    _, network = captured(kind, fold_batchnorm)
    stored = harden(network, "fp32", Scaling())
    accelerator = Accelerator(stored, way)
    plan = accelerator.plan
    return network, accelerator, draw_plan(network, plan, division_sites(stored, plan), fold)


@pytest.mark.parametrize("fold", [0, 1])
@pytest.mark.parametrize("kind", [Residual, Fire, Attention, Gated])
@pytest.mark.parametrize("fold_batchnorm", [False, True])
@pytest.mark.parametrize("way", [way for way in WAYS if way != "none"])
def test_marks_add_up_to_what_the_run_counts(kind, fold_batchnorm, way, fold):
    try:
        _, accelerator, drawing = drawn(kind, way, fold_batchnorm, fold)
    except HwsimError:
        assert way == "logits"
        return
    total = accelerator.run(IMAGES).counts.total
    divided = (total.divisions + total.reciprocal_multiplications + total.shifts) // len(IMAGES)
    assert elements(drawing, "divide") == divided
    assert elements(drawing, "align") == total.alignments // len(IMAGES)
    if (kind, fold_batchnorm, way) == (Residual, False, "absorbed"):
        absorbed = [text for text in texts(drawing)[4:] if text.startswith(MARKS["absorb"])]
        where = ["", ""] if fold else [" in stem.1", " in same.1"]
        assert absorbed == [f"{MARKS['absorb']} BatchNorm{path}" for path in where]


def test_a_mark_says_what_forces_it():
    _, _, drawing = drawn(Residual, "logits")
    assert sum("the sum needs inputs of one scale" in text or "the sum in" in text for text in texts(drawing)) == 2
    assert sum(text.endswith("the logits must be unscaled") for text in texts(drawing)) == 1


def test_every_operation_has_a_row_and_a_folded_block_has_one():
    network, _, drawing = drawn(Residual, "logits")
    circles = ElementTree.fromstring(drawing).iter(f"{SVG}circle")
    assert len(list(circles)) == len(network.operations) + 2  # the images and the logits
    folded = texts(drawn(Residual, "logits", fold=1)[2])
    assert folded.count("stem") == folded.count("same") == folded.count("down") == 1
    assert "3 operations" in folded


def test_sizes_are_no_rows():
    """They have no scale, and nothing of them is on the datapath."""
    network, _, drawing = drawn(Attention, "planned")
    sizes = [op for op in network.operations if str(op.target).startswith(("aten.sym_size", "<built-in"))]
    shown = len(list(ElementTree.fromstring(drawing).iter(f"{SVG}circle")))
    assert len(network.operations) + 2 - len(sizes) <= shown <= len(network.operations) + 2


@pytest.mark.parametrize("kind", [Residual, Attention, Gated])
def test_nothing_overlaps(kind):
    """Arcs from different rows have lanes of their own where they overlap, and all texts have their own places."""
    _, _, drawing = drawn(kind, "planned")
    root = ElementTree.fromstring(drawing)
    spans = []
    for path in root.iter(f"{SVG}path"):
        numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*", path.get("d"))]
        if "C" in path.get("d"):
            spans.append((numbers[2], numbers[1], numbers[-1]))  # lane, top, bottom
    assert spans
    for i, (lane, top, bottom) in enumerate(spans):
        for other, from_, to in spans[i + 1 :]:
            assert lane != other or top == from_ or to <= top or from_ >= bottom
    spots = [(text.get("x"), text.get("y")) for text in root.iter(f"{SVG}text")]
    assert len(set(spots)) == len(spots)
    width, height = float(root.get("width")), float(root.get("height"))
    for text in root.iter(f"{SVG}text"):
        assert float(text.get("x")) + 7.2 * len(text.text) <= width + 1
        assert float(text.get("y")) <= height


def test_a_long_name_is_shortened_to_its_end():
    assert _short("a" * 100 + ".conv1").endswith("a.conv1")
    assert len(_short("a" * 100 + ".conv1")) == LONGEST_LABEL
    assert _short("layer1.0.conv1") == "layer1.0.conv1"


def test_the_same_plan_gives_the_same_bytes():
    assert drawn(Fire, "planned")[2] == drawn(Fire, "planned")[2]


def test_an_alignment_is_drawn_with_the_number_that_the_list_names():
    _, network = captured(Residual, True)
    stored = harden(network, "fp32", Scaling())
    plan = Accelerator(stored, "logits").plan
    found = division_sites(stored, plan)
    shown = texts(draw_plan(network, plan, found))[4:]  # what follows the legend
    marks = [text for text in shown if text.startswith(tuple(MARKS.values()))]
    signs = {"alignment": MARKS["align"], "division": MARKS["divide"]}
    assert sorted(marks) == sorted(
        f"{signs[site.kind]} {site.elements:,} elements by {site.by}: {site.cause.located}" for site in found
    )
    assert {site.kind for site in found} == set(signs)


def scales(drawing):
    """Name of each row -> the scale that stands beside it."""
    lines = {}
    for text in ElementTree.fromstring(drawing).iter(f"{SVG}text"):
        lines.setdefault(text.get("y"), []).append(text.text)
    # A row without a scale has none behind its kind and its name.
    return {line[1]: [text for text in line[2:] if text.startswith("2^")] for line in lines.values() if len(line) > 1}


@pytest.mark.parametrize("size", [0.01, 100.0])  # constants above one and below
def test_a_row_shows_the_scale_of_what_comes_out_of_it_last(size):
    torch.manual_seed(0)
    block = torch.nn.Sequential(torch.nn.Linear(6, 6), torch.nn.ReLU(), torch.nn.Linear(6, 5))
    with torch.no_grad():
        for layer in (block[0], block[2]):
            layer.weight *= size
    network = capture(torch.nn.Sequential(block, torch.nn.Linear(5, 3)).eval(), torch.zeros(1, 6))
    stored = harden(network, "fp32", Scaling())
    plan = Accelerator(stored, "logits").plan
    found = division_sites(stored, plan)
    first, second = (math.log2(float(stored.constants[f"0.{n}.weight"].values[0])) for n in (0, 2))
    assert (first < 0) == (second < 0) == (size > 1)
    shown = scales(draw_plan(network, plan, found))
    assert shown["0.0"] == shown["0.1"] == [f"2^{first:.4g}"]
    assert shown["0.2"] == [f"2^{first + second:.4g}"]
    assert scales(draw_plan(network, plan, found, fold=1))["0"] == [f"2^{first + second:.4g}"]
