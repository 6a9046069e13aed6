"""Every family of torchvision's classifiers runs exactly in every way, on a small member and small images."""

import pickle
from dataclasses import dataclass

import pytest
import torch
import torchvision
from torch import nn

from hwsim import Accelerator, HwsimError, Network, Scaling, capture, harden
from hwsim.datapath import DatapathConfig, Plan, make_plan, true_peaks
from hwsim.datapath.arithmetic.fp32 import Fp32, loaded
from hwsim.datapath.plans.least_cost import first_out_of_range
from hwsim.datapath.plans.sites import division_sites, grouped
from hwsim.datapath.tensor_format import TensorFormats
from hwsim.datapath.walk import Walk
from tests.datapath.networks import plan_on
from tests.datapath.test_sites import adds_up, counted

FAMILIES = {  # a small member of each family, and the smallest images that it takes
    "alexnet": 64,
    "convnext_tiny": 32,
    "densenet121": 32,
    "efficientnet_b0": 32,
    "efficientnet_v2_s": 32,
    "googlenet": 32,
    "inception_v3": 80,
    "maxvit_t": 224,
    "mnasnet0_5": 32,
    "mobilenet_v2": 32,
    "mobilenet_v3_small": 32,
    "regnet_x_400mf": 32,
    "regnet_y_400mf": 32,
    "resnet18": 32,
    "resnext50_32x4d": 32,
    "shufflenet_v2_x0_5": 32,
    "squeezenet1_1": 32,
    "swin_t": 64,
    "swin_v2_t": 64,
    "vgg11_bn": 32,
    "vit_b_32": 224,
    "wide_resnet50_2": 32,
}
WAYS = ("per_weight", "per_layer", "absorbed", "planned")


def classifier(name):
    """Random weights, with BatchNorm statistics other than 0 and 1, and neither a head nor a class token of zeros."""
    torch.manual_seed(0)
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    module = torchvision.models.get_model(name, weights=None, **options).eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            part.bias.data.normal_(0, 0.1)
    for name, parameter in module.named_parameters():
        if name in ("class_token", "heads.head.weight"):
            parameter.data.normal_(0, 0.02)
    return module


@dataclass(frozen=True)
class Member:
    """The graph of a member of a family, two images, and what its module says of them."""

    name: str
    network: Network
    images: torch.Tensor
    logits: torch.Tensor

    def label(self, name):
        """The layer under which what happens at an operation is counted."""
        return name and next((op.layer or op.name for op in self.network.operations if op.name == name), name)


@pytest.fixture(scope="module", params=FAMILIES)
def member(request):
    module = classifier(request.param)
    size = FAMILIES[request.param]
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    network = capture(module, images)
    with torch.inference_mode():
        return Member(request.param, network, images, module(images))


def test_a_member_of_the_family_gives_its_reference_logits_in_every_way(member):
    network, images, expected = member.network, member.images, member.logits
    for power_of_two in (False, True):
        stored = harden(network, "fp32", Scaling(power_of_two=power_of_two))
        for way in WAYS[2:] if power_of_two else WAYS:
            accelerator = Accelerator(stored, plan_on(stored, way, images))
            run = accelerator.run(images)
            assert not run.nonfinite, way
            assert (run.logits - expected).abs().max() < 1e-4 * expected.abs().max(), way
            if power_of_two:
                assert run.counts.total.divisions == run.counts.total.reciprocal_multiplications == 0
            found = division_sites(stored, accelerator.plan)
            assert adds_up(found, images=2, reads=2) == counted(run.counts.total), way
            assert len(grouped(found)) <= 8  # lines of the report; MaxViT, of convolutions and attention, has most


FORMATS = (("fp32", "fp32"), ("fp16", "fp32"), ("bf16", "fp32"), ("q7.8", "fp32"), ("fp16", "fp16"))
"""Of activations and accumulators."""

UNDERFLOW = {("swin_v2_t", "fp16"): "features.5.0.attn", ("swin_v2_t", "q7.8"): "features.5.0.attn"}
"""On images this small its attention normalises vectors of zeros, whose norm is kept from zero by 1e-12, which is zero
in these formats. Largest magnitudes do not tell that; larger images have no such vectors."""


def test_a_family_can_be_sent_to_another_process(member):
    """Names stand for operations, so networks, words and plans pickle; what arrives gives the same bits."""
    stored = harden(member.network, "bf16", Scaling())
    plan = plan_on(stored, "planned", member.images)
    words, arrived = pickle.loads(pickle.dumps((stored, plan)))
    assert arrived == plan
    here = Accelerator(stored, plan).run(member.images)
    there = Accelerator(words, arrived).run(member.images)
    assert torch.equal(here.logits, there.logits)
    assert dict(here.counts) == dict(there.counts)


def test_every_value_has_the_shape_that_the_graph_says(member):
    network, plan = member.network, Plan("none")
    parameters = {name: loaded(parameter) for name, parameter in network.parameters.items()}
    arithmetic, walk = Fp32(network, plan, parameters, DatapathConfig()), Walk(network, plan)
    seen = {}

    def see(name, value):
        if isinstance(value, torch.Tensor):
            seen[name] = tuple(value.shape)
        elif isinstance(value, (tuple, list)):
            seen[name] = tuple(tuple(part.shape) for part in value)
        else:
            seen[name] = None

    with torch.inference_mode():
        walk.result(arithmetic, arithmetic.images(member.images[:1]), walk.fixed(arithmetic, see), see)
    assert seen == dict(network.shapes)


def test_the_first_overflow_is_where_it_is_predicted(member):
    network, images = member.network, member.images
    peaks, stored = true_peaks(network, images), harden(network, "fp32", Scaling(2.0**6))
    try:
        plan, formats = make_plan(stored, "logits"), FORMATS
    except HwsimError:
        plan, formats = make_plan(stored, "absorbed"), FORMATS[2:]
    found = []
    for activations, accumulators in formats:
        accelerator = Accelerator(stored, plan, DatapathConfig(activations=activations, accumulators=accumulators))
        found.append(next(iter(accelerator.run(images).nonfinite), None))
        of = TensorFormats.of(activations, accumulators)
        predicted = member.label(first_out_of_range(network, plan, peaks, of))
        assert found[-1] == UNDERFLOW.get((member.name, activations), predicted), (activations, accumulators)
    assert plan.way == "absorbed" or any(found)


def test_a_plan_for_fp16_overflows_nowhere(member):
    network, images = member.network, member.images
    stored, config = harden(network, "fp32", Scaling(2.0**6)), DatapathConfig(activations="fp16", accumulators="fp16")
    plan = make_plan(stored, "planned", config, true_peaks(network, images))
    run = Accelerator(stored, plan, config).run(images)
    assert next(iter(run.nonfinite), None) == UNDERFLOW.get((member.name, "fp16"))
