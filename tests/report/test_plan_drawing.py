"""A drawing shows every operation, every rescaling with its elements, and every absorption; nothing overlaps."""

import re
from xml.etree import ElementTree

import pytest
import torch

from hwsim import Accelerator, Scaling, harden
from hwsim.datapath import WAYS
from hwsim.report.plan_drawing import MARKS, draw_plan
from tests.datapath.networks import Fire, Residual, captured

IMAGES = torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(1))
SVG = "{http://www.w3.org/2000/svg}"


def texts(drawing):
    return [element.text for element in ElementTree.fromstring(drawing).iter(f"{SVG}text")]


def elements(drawing, mark):
    """The sum of elements that all marks of one kind name."""
    found = [text for text in texts(drawing)[4:] if text.startswith(MARKS[mark])]
    return sum(int(re.search(r"([\d,]+) elements", text).group(1).replace(",", "")) for text in found)


@pytest.mark.parametrize("kind", [Residual, Fire])
@pytest.mark.parametrize("fold_batchnorm", [False, True])
@pytest.mark.parametrize("way", [way for way in WAYS if way not in ("none", "per_weight")])
def test_marks_add_up_to_what_the_run_counts(kind, fold_batchnorm, way):
    _, network = captured(kind, fold_batchnorm)
    accelerator = Accelerator(network, harden(network, "fp32", Scaling()), way)
    total = accelerator.run(IMAGES).counts.total
    drawing = draw_plan(network, accelerator.plan)
    divided = (total.divisions + total.reciprocal_multiplications + total.shifts) // len(IMAGES)
    assert elements(drawing, "divide") == divided
    assert elements(drawing, "align") == total.alignments // len(IMAGES)
    absorbed = [text for text in texts(drawing) if text == f"{MARKS['absorb']} absorbed by BatchNorm"]
    assert len(absorbed) == (2 if (kind, fold_batchnorm, way) == (Residual, False, "absorbed") else len(absorbed))


def test_every_operation_has_a_row_and_a_folded_block_has_one():
    _, network = captured(Residual)
    plan = Accelerator(network, harden(network, "fp32", Scaling()), "logits").plan
    circles = ElementTree.fromstring(draw_plan(network, plan)).iter(f"{SVG}circle")
    assert len(list(circles)) == len(network.operations) + 2  # the images and the logits
    folded = texts(draw_plan(network, plan, fold=1))
    assert folded.count("stem") == folded.count("same") == folded.count("down") == 1


def test_arcs_that_overlap_have_lanes_of_their_own():
    _, network = captured(Residual)
    plan = Accelerator(network, harden(network, "fp32")).plan
    root = ElementTree.fromstring(draw_plan(network, plan))
    spans = []
    for path in root.iter(f"{SVG}path"):
        numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*", path.get("d"))]
        if "C" in path.get("d"):
            spans.append((numbers[2], numbers[1], numbers[-1]))  # lane, top, bottom
    assert spans
    for i, (lane, top, bottom) in enumerate(spans):
        for other, from_, to in spans[i + 1 :]:
            assert lane != other or to <= top or from_ >= bottom


def test_the_same_plan_gives_the_same_bytes():
    _, network = captured(Fire)
    plan = Accelerator(network, harden(network, "fp32", Scaling()), "planned").plan
    assert draw_plan(network, plan) == draw_plan(network, plan)
