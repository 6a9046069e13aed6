"""Every family of torchvision's classifiers runs exactly in every way, on a small member and small images."""

import pytest
import torch
import torchvision
from torch import nn

from hwsim import Accelerator, Scaling, capture, harden
from hwsim.datapath.places import grouped, places
from tests.datapath.test_places import adds_up, counted

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
    """Random weights, with BatchNorm statistics other than 0 and 1, and no head of zeros."""
    torch.manual_seed(0)
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    module = torchvision.models.get_model(name, weights=None, **options).eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            part.bias.data.normal_(0, 0.1)
        if isinstance(part, nn.Linear) and not part.weight.any():
            part.weight.data.normal_(0, 0.02)
    return module


@pytest.mark.parametrize("name", FAMILIES)
def test_a_member_of_the_family_gives_its_reference_logits_in_every_way(name):
    module = classifier(name)
    images = torch.randn(2, 3, FAMILIES[name], FAMILIES[name], generator=torch.Generator().manual_seed(1))
    network = capture(module, images)
    with torch.inference_mode():
        expected = module(images)
    for power_of_two in (False, True):
        stored = harden(network, "fp32", Scaling(power_of_two=power_of_two))
        for way in WAYS[2:] if power_of_two else WAYS:
            accelerator = Accelerator(network, stored, way, calibration=images)
            run = accelerator.run(images)
            assert not run.nonfinite, way
            assert (run.logits - expected).abs().max() < 1e-4 * expected.abs().max(), way
            if power_of_two:
                assert run.counts.total.divisions == run.counts.total.reciprocal_multiplications == 0
            found = places(network, stored, accelerator.plan)
            assert adds_up(found, images=2, reads=2) == counted(run.counts.total), way
            assert len(grouped(found)) <= 6
