"""A captured network computes what its module computes, for any batch, and says what it cannot capture."""

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

from hwsim import Accelerator, HwsimError, Scaling, capture, harden
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
    return Accelerator(harden(network, "fp32")).run(x).logits


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


def test_folding_leaves_weights_alone_that_are_read_twice():
    """With other statistics behind each of two calls, no one tensor can hold both products."""

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.own = nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.Conv2d(3, 3, 1, bias=False)
            self.norms = nn.ModuleList(nn.BatchNorm2d(3) for _ in range(3))

        def forward(self, x):
            for norm in self.norms[:2]:
                x = torch.relu(norm(self.layer(x)))
            return self.norms[2](self.own(x)).flatten(1)

    torch.manual_seed(0)
    module, x = settled(Twice()), images(2, 8)
    network = capture(module, x)
    folded = network.fold_batchnorm()
    assert torch.equal(folded.parameters["layer.weight"], module.layer.weight)
    assert not torch.equal(folded.parameters["own.weight"], module.own.weight)
    multipliers = [op.layer for op in folded.operations if isinstance(op, Affine) and op.multiplier is not None]
    assert multipliers == ["norms.0", "norms.1"]
    with torch.inference_mode():
        torch.testing.assert_close(run(folded, x), module(x), rtol=1e-5, atol=1e-5)


class Normalising(nn.Module):
    """Two normalisations in one module, one that is called twice, and a parameter that is called as a factor is."""

    def __init__(self):
        super().__init__()
        self.multiplier = nn.Parameter(torch.tensor([0.5, -1.5, 2.0]))
        self.layers = nn.ModuleList(nn.Conv2d(3, 3, 1, bias=False) for _ in range(4))
        self.shared = nn.BatchNorm2d(3)
        self.register_buffer("means", torch.randn(2, 3))
        self.register_buffer("variances", torch.rand(2, 3) + 0.5)

    def forward(self, x):
        for layer, mean, variance in zip(self.layers, self.means, self.variances, strict=False):
            x = functional.batch_norm(layer(x), mean, variance)
        for layer in self.layers[2:]:
            x = self.shared(layer(x))
        return (torch.relu(x) * self.multiplier[:, None, None]).mean(dim=(2, 3))


@pytest.mark.parametrize("fold", [False, True])
def test_normalisations_of_one_module_and_calls_of_one_normalisation_keep_apart(fold):
    torch.manual_seed(0)
    module, x = settled(nn.Sequential(Normalising())), images(2, 8)
    network = capture(module, x)
    with torch.inference_mode():
        torch.testing.assert_close(run(network.fold_batchnorm() if fold else network, x), module(x))


@pytest.mark.parametrize("bounds", [(), (-0.5,), (-0.5, 0.25)])
def test_hardtanh_clamps_at_the_bounds_that_it_is_given_and_else_at_one(bounds):
    class Clamped(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x):
            return torch.ops.aten.hardtanh(4 * self.layer(x), *bounds)

    torch.manual_seed(0)
    module, x = Clamped().eval(), torch.randn(50, 4)
    with torch.inference_mode():
        got, free = run(capture(module, x[:2]), x), 4 * module.layer(x)
    low, high = (*bounds, *(-1.0, 1.0)[len(bounds) :])
    assert (got.min(), got.max()) == (low, high)
    torch.testing.assert_close(got, free.clamp(low, high))


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


class Two(nn.Module):
    """Two layers, a buffer, and a forward of the test's own: (module, images) -> logits."""

    def __init__(self, forward):
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 4)
        self.register_buffer("shift", torch.linspace(-1, 1, 6))
        self.register_buffer("three", torch.tensor(3.0))
        self.batch_norm = nn.BatchNorm1d(6, track_running_stats=False)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def in_regions(m, x):
    with torch.autocast("cpu", enabled=False):
        y, z = m.first(x) * 2, x + 1
    with torch.no_grad():
        z = (y + z).relu()
    return m.second(z + y)


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.recurrent, self.head = kind(6, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.recurrent(x.unflatten(1, (2, 3)).repeat(1, 1, 2))[0][:, -1])


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(6, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 6))

    def forward(self, x):
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), torch.stack([x, 2 * x, x.flip(1)], 1)], 1)
        return self.head(self.encoder(x)[:, 0])


def with_standardised_weights(m, x):
    """As networks without normalisation of activations have them, by BatchNorm's function on the weights."""
    weight = functional.batch_norm(m.first.weight[None], None, None, training=True)[0]
    return m.second(functional.linear(x, weight))


def with_constants_for_each_image(m, x):
    n, y = x.shape[0], m.first(x)
    first, second, third = m.shift.expand(n, -1), torch.full((n, 6), 0.5), torch.arange(n)[:, None]
    return m.second(y + first) + m.second(torch.cat([y, second], 1)[:, 3:9]) + m.second(y + third)


def viewed_while_overwritten(m, x):
    y = m.first(x)
    view = y.view(-1, 2, 3)
    y.add_(1)
    return m.second(view.flatten(1))


class PartlyOverwritten(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.batch_norm, self.head = nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 4)
        self.batch_norm.running_var.uniform_(0.5, 1.5)

    def forward(self, x):
        y = self.batch_norm(self.layer(x))
        y[:, 0] = 0.5
        y[:, 1:3] *= 2
        y[:, 5:] = x[:, :3]
        return self.head(y.relu_())


OTHERS = {
    "a layer used twice": Two(lambda m, x: m.second(m.first(torch.relu(m.first(x))))),
    "tied weights": Two(lambda m, x: functional.linear(torch.relu(m.first(x)), m.first.weight.t())),
    "a buffer": Two(lambda m, x: m.second(torch.relu(m.first(x)) + m.shift)),
    "a function of its own": Two(lambda m, x: m.second(Doubled.apply(m.first(x)))),
    "a fixed loop": Two(lambda m, x: m.second(sum(m.first(x.roll(i, 1)) for i in range(3)))),
    "regions of autograd and autocast": Two(in_regions),
    "dropout": Two(lambda m, x: m.second(functional.dropout(x, 0.5, m.training))),
    "squares": Two(lambda m, x: m.second(m.first(x) ** 2 + m.first(x).square())),
    "standardised weights": Two(with_standardised_weights),
    "constants for each image": Two(with_constants_for_each_image),
    "the number of images": Two(lambda m, x: m.second(m.first(x) / x.shape[0] + x.shape[0] * m.first(x))),
    "a number in a buffer": Two(lambda m, x: m.second(m.first(x) * m.three.item())),
    "maxima and their places": Two(
        lambda m, x: m.second(m.first(x) * m.first(x).max(1, keepdim=True)[0] - m.first(x).min(1)[0][:, None])
    ),
    "a tensor overwritten and its view": Two(viewed_while_overwritten),
    "a tensor of which parts are overwritten": PartlyOverwritten(),
    "the shape of another tensor": Two(lambda m, x: m.second(m.first(x).view(-1, 2, 3).reshape_as(x).view_as(x))),
    "an encoder with a class token": Encoder(),
    "an LSTM": Recurrent(nn.LSTM),
    "leaky slopes that are random in training": Two(
        lambda m, x: m.second(functional.rrelu_(m.first(x), 0.1, 0.7)) + m.second(functional.rrelu(x))
    ),
    "a function mapped over the images": Two(lambda m, x: torch.func.vmap(lambda row: m.second(m.first(row)))(x)),
    "a GRU": Recurrent(nn.GRU),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("way", ["per_weight", "per_layer", "absorbed", "logits", "planned"])
def test_networks_of_ones_own_run_for_any_number_of_images(name, way):
    module = OTHERS[name].train()  # which capture puts in evaluation mode
    network = capture(module, torch.zeros(2, 6))
    hardened = harden(network, "fp32", Scaling())
    if way == "logits" and isinstance(module, Recurrent):
        with pytest.raises(HwsimError, match=r"sigmoid\.default in recurrent needs its input unscaled"):
            Accelerator(hardened, way)
        return
    accelerator = Accelerator(hardened, way)
    for n in (1, 2, 5):
        x = torch.randn(n, 6, generator=torch.Generator().manual_seed(n))
        with torch.inference_mode():
            expected = module(x)
        assert (accelerator.run(x).logits - expected).abs().max() < 1e-6 * (1 + expected.abs().max())


def refusing(m, x):
    raise AssertionError


def counting(m, x):
    m.shift += 1
    return m.second(x)


def drawing(m, x):
    return m.second(x + torch.randn(6, generator=torch.Generator().manual_seed(1)))


def in_bfloat16(m, x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return m.second(x)


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda m, x: m.second(x) if x.sum() > 0 else m.second(-x), "Two cannot be captured.*use torch.where"),
        (
            lambda m, x: torch.cond(x.sum() > 0, lambda y: m.second(y), lambda y: m.second(-y), (x,)),
            "cond in the network lets the images decide what is done",
        ),
        (lambda m, x: m.second(x)[x[:, 0] > 0], "index.Tensor in the network makes a shape or a number"),
        (lambda m, x: m.second(x)[x[:, 0].nonzero()[:, 0]], "nonzero.default in the network makes a shape"),
        (lambda m, x: m.second(x) * x.max().item(), "item.default in the network makes a shape or a number"),
        (lambda m, x: m.second(x.reshape(2, 6)), "Two cannot be captured.*one number of images only"),
        (refusing, r"Two cannot be captured.*AssertionError in line \d+ of .*test_capture.py, 'raise AssertionError'"),
        (counting, "add_.Tensor in the network overwrites a parameter or buffer"),
        (in_bfloat16, "Autocast in the network computes in torch.bfloat16: capture the network in float32"),
        (lambda m, x: m.second(functional.dropout(x, 0.5, True)), "dropout.default in the network draws at random"),
        (lambda m, x: m.second(x + torch.randn(6)), "randn.default in the network draws at random"),
        (lambda m, x: m.second(torch.bernoulli(x.sigmoid())), "bernoulli.default in the network draws at random"),
        (
            lambda m, x: m.second(functional.scaled_dot_product_attention(*[x[:, None]] * 3, dropout_p=0.1)[:, 0]),
            "scaled_dot_product_attention.default in the network draws at random",
        ),
        (lambda m, x: m.second(m.batch_norm(x)), "batch_norm.default in batch_norm normalises by the statistics of"),
        (lambda m, x: (m.first(x), m.second(x)), "Two returns 2 tensors: a classifier returns one"),
        (lambda m, x: {"logits": m.second(x), "features": x}, "Two returns 2 tensors"),
        (
            lambda m, x: {"logits": m.second(x)},
            "Two returns a dict that holds one tensor: .* returns the tensor itself",
        ),
        (lambda m, x: (m.second(x),), "Two returns a tuple that holds one tensor"),
        (lambda m, x: None, "Two returns 0 tensors"),
        (lambda m, x: m.shift, "Two returns a constant: a classifier returns logits, which depend on images"),
        (lambda m, x: m.second(x).argmax(1), "Two returns torch.int64: a classifier returns logits, .* real numbers"),
        (lambda m, x: m.second(x).sum(), "Two mixes the images in what it returns: .* a row of logits for each image"),
        (lambda m, x: m.second(x).mean(0), "Two mixes the images"),
        (lambda m, x: m.second(x - x.mean(0)), "Two mixes the images of a batch: the logits of one change"),
        (lambda m, x: m.second(x.softmax(0)), "Two mixes the images of a batch"),
        (lambda m, x: m.second(x.roll(1, 0)), "Two mixes the images of a batch"),
        (lambda m, x: m.second(x.cumsum(0)), "Two mixes the images of a batch"),
        (lambda m, x: m.second(x.flip(0).cumsum(0).flip(0)), "Two mixes the images of a batch"),
        (lambda m, x: m.second(x) * x.amax(), "Two mixes the images of a batch"),
        (lambda m, x: m.second(m.first(x) @ m.first(x).T @ x), "Two mixes the images of a batch"),
        (drawing, "Two draws random numbers from a torch.Generator in evaluation too"),
        (
            lambda m, x: functional.linear(x.double(), m.second.weight.double()).float(),
            "linear.default in the network computes in torch.float64, and the datapath in FP32: leave out the cast",
        ),
        (
            lambda m, x: (x.half() @ m.second.weight.half().T).float(),
            "matmul.default in the network computes in torch.float16, and the datapath in FP32",
        ),
        (lambda m, x: m.second(functional.rrelu(x, training=True)), "rrelu.default in the network draws at random"),
        (
            lambda m, x: functional.linear(torch.complex(x, x), torch.complex(m.first.weight, m.first.weight)).abs(),
            "linear.default in the network has weights that are complex: they must be real numbers",
        ),
    ],
)
def test_what_cannot_be_captured_is_said_in_one_sentence(forward, message, capfd):
    with pytest.raises(HwsimError, match=message) as caught:
        capture(Two(forward), torch.zeros(3, 6))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_an_overwritten_view_that_torch_cannot_remove_is_named(monkeypatch):
    def fails(*_):
        raise RuntimeError

    monkeypatch.setattr(torch.export.ExportedProgram, "run_decompositions", fails)
    with pytest.raises(
        HwsimError, match=r"add_\.Tensor in the network overwrites a tensor of which another view is read"
    ):
        capture(Two(viewed_while_overwritten), torch.zeros(3, 6))


class Embedded(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(10, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.table(x).mean(1))


@pytest.mark.parametrize(
    ("module", "example", "message"),
    [
        (Embedded(), torch.zeros(1, 3, dtype=torch.int64), "real-valued images, not torch.int64"),
        (nn.Linear(3, 3), torch.zeros(1, 3, dtype=torch.complex64), "real-valued images, not torch.complex64"),
        (nn.Linear(3, 3), torch.zeros(3), "example batch"),
        (nn.Linear(3, 3), "pictures", "The example images must be a tensor of torch or an array of numpy, not str"),
        (nn.Linear(3, 3), torch.zeros(1, 4), "cannot be captured"),
        (nn.Bilinear(3, 3, 2), torch.zeros(1, 3), "cannot be captured"),
    ],
)
def test_examples_that_do_not_fit_are_refused_in_one_sentence(module, example, message):
    with pytest.raises(HwsimError, match=message) as caught:
        capture(module, example)
    assert "\n" not in str(caught.value)


def test_a_network_without_weights_cannot_be_hardened():
    with pytest.raises(HwsimError, match="no weights to store"):
        harden(capture(nn.ReLU(), torch.zeros(1, 3)), "fp32")


class Sequence(nn.Module):
    """Images of five rows of six numbers; without `batch_first`, torch takes the images for the rows."""

    def __init__(self, kind, batch_first):
        super().__init__()
        options = {} if kind in (nn.LSTM, nn.GRU) else {"num_heads": 2}
        self.layer, self.head = kind(6, *([] if options else [6]), batch_first=batch_first, **options), nn.Linear(6, 4)

    def forward(self, x):
        y = self.layer(x, x, x)[0] if isinstance(self.layer, nn.MultiheadAttention) else self.layer(x)[0]
        return self.head(y.mean(1))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.MultiheadAttention])
def test_a_forgotten_batch_first_is_found(kind):
    capture(Sequence(kind, batch_first=True), torch.zeros(1, 5, 6))
    steps = "cannot be captured by torch.export: it works for one number of images only"  # each image is a step
    apart = r"mixes the images of a batch: .*batch_first=True"
    with pytest.raises(HwsimError, match=f"^Sequence {apart if kind is nn.MultiheadAttention else steps}"):
        capture(Sequence(kind, batch_first=False), torch.zeros(1, 5, 6))


APART = {
    "windows, counted with the images": Two(
        lambda m, x: m.second(functional.scaled_dot_product_attention(*[x.view(-1, 2, 3)] * 3).flatten(1).view(-1, 6))
    ),
    "images and channels in one axis": Two(lambda m, x: m.second(m.first(x).view(-1, 1).relu().view(-1, 6))),
    "statistics of each image": Two(lambda m, x: m.second(functional.instance_norm(x[:, None])[:, 0])),
    "a logarithm that the example is outside of": Two(lambda m, x: m.second(x.log())),
    "the number of images": Two(lambda m, x: m.second(x / x.shape[0]) * x.shape[0]),
    "a table": nn.Sequential(Two(lambda m, x: m.first.weight[x.long()].sum(1)), nn.Linear(6, 4)),
}


@pytest.mark.parametrize("name", APART)
def test_networks_that_keep_images_apart_are_taken(name):
    assert capture(APART[name], torch.full((1, 6), -1.0)).layers


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_an_example_of_any_real_type_is_one_of_fp32(dtype):
    module, x = Two(lambda m, x: m.second(m.first(x).relu())).eval(), torch.randn(3, 6)
    with torch.inference_mode():
        assert torch.allclose(run(capture(module, x.to(dtype)), x), module(x), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_parameters_that_are_not_fp32_are_refused_in_one_sentence(dtype):
    module = Two(lambda m, x: m.second(m.first(x).to(dtype)))
    module.second.to(dtype)
    with pytest.raises(HwsimError, match=rf"^second.weight in Two is {dtype}, .* in FP32: capture module.float\(\)"):
        capture(module, torch.zeros(1, 6))


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


def test_an_example_of_numpy_is_one_of_torch():
    network = capture(nn.Sequential(nn.Linear(3, 2)), np.zeros((2, 3), np.float32))
    assert tuple(network.input.shape) == (3,)


def test_what_is_no_module_is_refused():
    with pytest.raises(HwsimError, match=r"^capture needs an nn.Module, not function\.$"):
        capture(lambda images: images, torch.zeros(2, 3))
