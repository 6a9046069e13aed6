"""Small networks for the tests of the datapath, and closed forms of their counts from shapes alone."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hwsim import Hardened, Network, capture
from hwsim.datapath import DatapathConfig, Plan, make_plan, true_peaks


class Residual(nn.Module):
    """A plain and a projected shortcut, BatchNorm, ReLU6, pooling: one of each thing that joins or bounds scales."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU6(inplace=True))
        self.same = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.down = nn.Sequential(nn.Conv2d(8, 12, 3, stride=2, padding=1, groups=4), nn.ReLU(inplace=True))
        self.shortcut = nn.Conv2d(8, 12, 1, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = torch.relu(self.same(x) + x)
        x = self.down(x) + self.shortcut(x)
        return self.head(torch.flatten(self.pool(x), 1))


class Fire(nn.Module):
    """Squeeze and two expansions, concatenated; the classifier is a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(3, 4, 1)
        self.one = nn.Conv2d(4, 5, 1)
        self.three = nn.Conv2d(4, 6, 3, padding=1)
        self.classifier = nn.Conv2d(11, 10, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.squeeze(x))
        x = torch.cat([torch.relu(self.one(x)), torch.relu(self.three(x))], 1)
        return torch.relu(self.classifier(x)).mean(dim=(2, 3))


def build(kind: type[nn.Module]) -> nn.Module:
    """One of the above, seeded, with BatchNorm statistics other than 0 and 1."""
    torch.manual_seed(11)
    module = kind()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.2)
            part.running_var.uniform_(0.5, 1.5)
            part.bias.data.normal_(0, 0.2)
    return module.eval()


@functools.cache
def captured(kind: type[nn.Module], fold: bool = False) -> tuple[nn.Module, Network]:
    """The module and its graph, made once: tests only read them."""
    if fold:
        module, network = captured(kind)
        return module, network.fold_batchnorm()
    module = build(kind)
    return module, capture(module, torch.zeros(1, 3, 12, 12))


@dataclass(frozen=True)
class ClosedForm:
    """Counts of one forward pass, from the shapes that forward hooks see."""

    macs: int
    weights: int
    outputs: int
    logits: int


def closed_form(module: nn.Module, images: Tensor) -> ClosedForm:
    """MACs, weight words and outputs of all convolutions and matrix products, by the textbook formulas."""
    macs, outputs = [], []

    def seen(layer: nn.Module, _: object, y: Tensor) -> None:
        if isinstance(layer, nn.Conv2d):
            height, width = layer.kernel_size
            per_output = layer.in_channels // layer.groups * height * width
        else:
            assert isinstance(layer, nn.Linear)
            per_output = layer.in_features
        outputs.append(y.numel())
        macs.append(y.numel() * per_output)

    layers = [part for part in module.modules() if isinstance(part, (nn.Conv2d, nn.Linear))]
    handles = [layer.register_forward_hook(seen) for layer in layers]
    with torch.inference_mode():
        logits = module(images)
    for handle in handles:
        handle.remove()
    return ClosedForm(sum(macs), sum(layer.weight.numel() for layer in layers), sum(outputs), logits.numel())


def plan_on(stored: Hardened, way: str, images: Tensor, config: DatapathConfig | None = None) -> Plan:
    """The plan for a way of dividing; images show `planned` how large each tensor gets."""
    peaks = true_peaks(stored.network, images) if way == "planned" else None
    return make_plan(stored, way, config, peaks)
