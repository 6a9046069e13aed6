"""Memory is used again only for values that nothing else reads: the logits of networks in which something does."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from hwsim import Accelerator, Scaling, capture, harden
from hwsim.datapath import WAYS

IMAGES = torch.randn(3, 4, 5, 5, generator=torch.Generator().manual_seed(2))


class Reused(nn.Module):
    """Layers with and without biases and a BatchNorm, put together by a forward of the test's own."""

    def __init__(self, forward):
        super().__init__()
        self.biased, self.bare = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.other, self.norm = nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.5, 2)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x).mean(dim=(2, 3))


FORWARDS = {
    "a result read again behind its ReLU": lambda m, y: (lambda z: torch.relu(z) + z)(m.biased(y)),
    "a result read again behind its clamp": lambda m, y: (lambda z: functional.relu6(z) + z)(m.biased(y)),
    "a sum read again behind its ReLU": lambda m, y: (lambda z: torch.relu(z) + z)(m.bare(y) + m.other(y)),
    "a result read again behind its BatchNorm": lambda m, y: (lambda z: m.norm(z) + z)(m.bare(y)),
    "images added to a layer that another reads": lambda m, y: (lambda z: m.other(z) + m.biased(y + z))(m.bare(y)),
}


@pytest.mark.parametrize("forward", FORWARDS)
@pytest.mark.parametrize("way", WAYS)
def test_what_is_read_again_is_as_it_was(forward, way):
    torch.manual_seed(0)
    module = Reused(FORWARDS[forward]).eval()
    network = capture(module, IMAGES[:1])
    stored = harden(network, "fp32", None if way == "none" else Scaling())
    logits = Accelerator(stored, way).run(IMAGES).logits
    with torch.inference_mode():
        torch.testing.assert_close(logits, module(IMAGES), rtol=1e-4, atol=1e-5)
