"""A captured network computes what its module computes, for any batch, and says what it cannot capture."""

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

from hwsim import Accelerator, HwsimError, capture, harden
from hwsim.network import Affine, Linear


def images(n=3, size=64, channels=3):
    return torch.randn(n, channels, size, size, generator=torch.Generator().manual_seed(5))


def settled(module):
    """With BatchNorm statistics other than 0 and 1, so that a mistake in them shows."""
    generator = torch.Generator().manual_seed(6)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.2, generator=generator)
            part.running_var.uniform_(0.5, 1.5, generator=generator)
            part.weight.data.uniform_(0.5, 1.5, generator=generator)
            part.bias.data.normal_(0, 0.2, generator=generator)
    return module.eval()


def run(network, x):
    return Accelerator(network, harden(network, "fp32")).run(x).logits


FAMILIES = ["resnet18", "vgg11_bn", "alexnet", "squeezenet1_1", "mobilenet_v2", "resnext50_32x4d", "densenet121"]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("fold", [False, True])
def test_the_datapath_reproduces_the_module(name, fold):
    torch.manual_seed(0)
    module = settled(torchvision.models.get_model(name, weights=None))
    network = capture(module, images(1))
    if fold:
        network = network.fold_batchnorm()
    x = images(3)
    with torch.inference_mode():
        expected = module(x)
    error = (run(network, x) - expected).abs().max() / expected.abs().max()
    assert error < 1e-5


def test_folding_leaves_only_multiplications_that_no_layer_precedes():
    torch.manual_seed(0)
    network = capture(settled(torchvision.models.resnet18(weights=None)), images(1))
    folded = network.fold_batchnorm()
    assert sum(isinstance(op, Affine) and op.multiplier is not None for op in network.operations) == 20
    assert not any(isinstance(op, Affine) and op.multiplier is not None for op in folded.operations)
    assert len(folded.biases) == 21  # each folded BatchNorm's offset, and the classifier's bias
    assert network.biases == {"fc.bias"}


def test_layers_have_the_names_of_their_modules():
    network = capture(torchvision.models.resnet18(weights=None), images(1))
    assert [layer.layer for layer in network.layers][:3] == ["conv1", "layer1.0.conv1", "layer1.0.conv2"]
    assert set(network.weights) == {f"{layer.layer}.weight" for layer in network.layers}
    assert "layer1.0.conv1.weight (64, 64, 3, 3)" in str(network)


def test_images_and_module_stay_as_they_were():
    class Overwriting(nn.Module):
        def forward(self, x):
            return functional.relu_(functional.hardtanh_(x.flatten(1)))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(12, 4)
            self.flat = Overwriting()

        def forward(self, x):
            return self.layer(self.flat(x.clone()))

    torch.manual_seed(0)
    module, x = Net().eval(), images(2, 2)
    before, weights = x.clone(), module.layer.weight.clone()
    with torch.inference_mode():
        expected = module(x)
    assert torch.allclose(run(capture(module, x), x), expected, atol=1e-6)
    assert torch.equal(x, before)
    assert torch.equal(module.layer.weight, weights)


def test_an_overwritten_tensor_read_again_has_its_new_value():
    class Reuse(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 4, 1)

        def forward(self, x):
            y = self.layer(x)
            y.relu_()
            return (y + 1).sum(dim=(2, 3))

    torch.manual_seed(0)
    module, x = Reuse().eval(), images(2, 4)
    with torch.inference_mode():
        expected = module(x)
    assert torch.allclose(run(capture(module, x), x), expected, rtol=1e-5)


def test_weights_shared_by_two_layers_are_one_tensor():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x):
            return self.layer(torch.relu(self.layer(x)))

    network = capture(Shared(), torch.zeros(1, 8))
    assert len(network.layers) == 2
    assert list(network.weights) == ["layer.weight"]
    assert all(isinstance(layer, Linear) for layer in network.layers)


class Branches(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class TwoOutputs(nn.Module):
    def forward(self, x):
        return x, x + 1


@pytest.mark.parametrize(
    ("module", "example", "message"),
    [
        (Branches(), torch.zeros(1, 3), "cannot be captured"),
        (TwoOutputs(), torch.zeros(1, 3), "returns 2 tensors"),
        (nn.Linear(3, 3), torch.zeros(1, 3, dtype=torch.int64), "real-valued"),
        (nn.Linear(3, 3), torch.zeros(3), "example batch"),
        (nn.Linear(3, 3), torch.zeros(1, 4), "cannot be captured"),
    ],
)
def test_what_cannot_be_captured_is_said_in_one_sentence(module, example, message):
    with pytest.raises(HwsimError, match=message) as caught:
        capture(module, example)
    assert "\n" not in str(caught.value)


def test_a_network_without_weights_cannot_be_hardened():
    with pytest.raises(HwsimError, match="no weights to store"):
        harden(capture(nn.ReLU(), torch.zeros(1, 3)), "fp32")


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1"])
def test_elements_are_those_of_one_image(name):
    torch.manual_seed(0)
    module = torchvision.models.get_model(name, weights=None).eval()
    network = capture(module, images(1))
    seen = {}
    layers = {part: path for path, part in module.named_modules() if isinstance(part, (nn.Conv2d, nn.Linear))}
    for part, path in layers.items():
        part.register_forward_hook(lambda part, _, y, path=path: seen.update({path: y.numel()}))
    module(images(1))
    assert {op.layer: network.elements[op.name] for op in network.layers} == seen
    assert network.elements[network.input.name] == 3 * 64 * 64
