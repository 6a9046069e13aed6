"""Every weight that a product reads lies in the faulty memory, once, and every way of dividing is exact for it."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from hwsim import Accelerator, HwsimError, Memory, Scaling, capture, harden
from hwsim.datapath import WAYS, DatapathConfig
from hwsim.datapath.plans.sites import COUNTER_OF, division_sites


class Made(nn.Module):
    """A module from a function of its parameters and the images."""

    def __init__(self, forward, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.function = forward

    def forward(self, x):
        return self.function(self, x)


def weight(*shape, seed=3):
    return nn.Parameter(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) / shape[-1] ** 0.5)


def twin():
    """Two layers that share one weight."""
    first, second = nn.Linear(8, 8), nn.Linear(8, 8)
    second.weight = first.weight
    return {"first": first, "second": second}


def tied(function):
    return lambda: Made(function, enc=nn.Linear(8, 6), head=nn.Linear(8, 4))


def own(function, *shape, **parts):
    return lambda: Made(function, w=weight(*shape), **{name: part() for name, part in parts.items()})


relu = torch.relu
VECTOR = (8,)
NETWORKS = {  # name -> (module, shape of an image)
    "an autoencoder of one matrix": (tied(lambda m, x: m.head(relu(m.enc(x)) @ m.enc.weight)), VECTOR),
    "a decoder with W.t()": (tied(lambda m, x: m.head(functional.linear(relu(m.enc(x)), m.enc.weight.t()))), VECTOR),
    "tied and then squared": (tied(lambda m, x: relu(m.enc(x)) @ (m.enc.weight * m.enc.weight)), VECTOR),
    "an einsum with a layer's weight": (
        tied(lambda m, x: m.head(torch.einsum("bo,oi->bi", relu(m.enc(x)), m.enc.weight))),
        VECTOR,
    ),
    "a weight that is added too": (tied(lambda m, x: m.head(x + m.enc.weight[0]) + m.enc(x)[:, :4]), VECTOR),
    "a weight that multiplies too": (tied(lambda m, x: m.enc(x) * m.enc.weight[:, 0]), VECTOR),
    "a weight row as bias": (
        tied(lambda m, x: functional.linear(x, m.head.weight, m.enc.weight[:4, 0]) + m.enc(x)[:, :4]),
        VECTOR,
    ),
    "a gelu of a weight's row": (tied(lambda m, x: m.enc(x) + functional.gelu(x[:, :1] + m.enc.weight[:, 0])), VECTOR),
    "a norm of a weight": (tied(lambda m, x: m.enc(x) / m.enc.weight.norm(dim=1)), VECTOR),
    "two layers of one weight": (lambda: Made(lambda m, x: m.second(relu(m.first(x))), **twin()), VECTOR),
    "halves and the whole": (
        own(lambda m, x: x @ m.w[:, :4] + (x @ m.w)[:, 4:], 8, 8),
        VECTOR,
    ),
    "disjoint halves": (
        own(lambda m, x: relu(functional.linear(x, m.w[:4])) + functional.linear(x, m.w[4:]), 8, 8),
        VECTOR,
    ),
    "x @ W": (own(lambda m, x: m.head(relu(x @ m.w)), 8, 6, head=lambda: nn.Linear(6, 3)), VECTOR),
    "x @ W and its transpose": (own(lambda m, x: relu(x @ m.w) @ m.w.t(), 8, 6), VECTOR),
    "W @ x": (own(lambda m, x: relu(m.w @ x).flatten(1), 5, 4), (4, 3)),
    "addmm": (own(lambda m, x: torch.addmm(m.b, x, m.w), 8, 6, b=lambda: weight(6)), VECTOR),
    "addmm with a matrix for a bias": (
        own(lambda m, x: torch.addmm(m.b, x, m.w), 8, 6, b=lambda: weight(1, 6)),
        VECTOR,
    ),
    "a tied transposed convolution": (
        lambda: Made(
            lambda m, x: functional.conv_transpose2d(relu(m.enc(x)), m.enc.weight).flatten(1), enc=nn.Conv2d(3, 4, 3)
        ),
        (3, 6, 6),
    ),
    "transposed convolutions": (
        lambda: nn.Sequential(
            nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.ConvTranspose2d(6, 2, 2),
            nn.Flatten(),
        ),
        (4, 5, 5),
    ),
    "transposed convolutions along one axis": (
        lambda: nn.Sequential(
            nn.ConvTranspose1d(4, 6, 3, 2), nn.ReLU(), nn.ConvTranspose1d(6, 2, 2, bias=False), nn.Flatten()
        ),
        (4, 5),
    ),
    "a bilinear layer": (
        lambda: Made(lambda m, x: m.both(x[:, :3], relu(x[:, 3:])), both=nn.Bilinear(3, 5, 4)),
        VECTOR,
    ),
    "experts by images": (
        own(
            lambda m, x: torch.einsum("bg,bi,gio->bo", torch.softmax(m.gate(x), -1), x, m.w),
            3,
            8,
            5,
            gate=lambda: nn.Linear(8, 3),
        ),
        VECTOR,
    ),
    "mixed kernels": (
        own(
            lambda m, x: ((m.gate(x) @ m.w.flatten(1)).reshape(-1, 5, 8) @ x[:, :, None])[:, :, 0],
            3,
            5,
            8,
            gate=lambda: nn.Linear(8, 3),
        ),
        VECTOR,
    ),
    "grouped experts": (
        own(lambda m, x: relu(torch.bmm(x.transpose(0, 1), m.w)).transpose(0, 1).flatten(1), 3, 4, 5),
        (3, 4),
    ),
    "an LSTM": (
        lambda: Made(
            lambda m, x: m.head(m.r(x)[0].mean(1)),
            r=nn.LSTM(4, 5, 2, batch_first=True, bidirectional=True),
            head=nn.Linear(10, 3),
        ),
        (3, 4),
    ),
    "a projected LSTM": (
        lambda: Made(lambda m, x: m.r(x)[0][:, -1], r=nn.LSTM(4, 5, batch_first=True, proj_size=3)),
        (3, 4),
    ),
    "a GRU": (lambda: Made(lambda m, x: m.r(x)[0][:, -1], r=nn.GRU(4, 5, batch_first=True)), (3, 4)),
    "an RNN": (lambda: Made(lambda m, x: m.r(x)[1][0], r=nn.RNN(4, 5, batch_first=True, nonlinearity="relu")), (3, 4)),
    "an LSTM cell": (lambda: Made(lambda m, x: m.r(x[:, 1], m.r(x[:, 0]))[0], r=nn.LSTMCell(4, 5)), (3, 4)),
    "a GRU cell": (lambda: Made(lambda m, x: m.r(x[:, 1], m.r(x[:, 0])), r=nn.GRUCell(4, 5)), (3, 4)),
    "embedded pixels": (
        lambda: Made(
            lambda m, x: m.head(m.table((x.abs() * 2).long().clamp(max=4)).flatten(1)),
            table=nn.Embedding(5, 3),
            head=nn.Linear(24, 4),
        ),
        VECTOR,
    ),
    "an embedding tied to the head": (
        lambda: Made(
            lambda m, x: m.table((x.abs() * 2).long().clamp(max=4)).mean(1) @ m.table.weight.t(),
            table=nn.Embedding(5, 3),
        ),
        VECTOR,
    ),
    "embedded positions": (
        lambda: Made(
            lambda m, x: m.head(relu(x + m.table(torch.arange(3)))).mean(1),
            table=nn.Embedding(3, 4),
            head=nn.Linear(4, 5),
        ),
        (3, 4),
    ),
    "positions by an MLP": (
        lambda: Made(
            lambda m, x: m.head((x + m.mlp(torch.linspace(-1, 1, 3)[:, None])).flatten(1)),
            mlp=nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 4)),
            head=nn.Linear(12, 5),
        ),
        (3, 4),
    ),
    "one MLP for positions and images": (
        lambda: Made(
            lambda m, x: m.mlp(x) + m.mlp(torch.ones(1, 8)),
            mlp=nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4)),
        ),
        VECTOR,
    ),
    "queries that are learned": (
        lambda: Made(
            lambda m, x: torch.softmax(m.to_q(m.q) @ m.to_k(x).transpose(1, 2), -1).flatten(1),
            q=weight(2, 4),
            to_q=nn.Linear(4, 4),
            to_k=nn.Linear(4, 4),
        ),
        (3, 4),
    ),
    "attention": (
        lambda: Made(lambda m, x: m.a(x, x, x)[0].mean(1), a=nn.MultiheadAttention(4, 2, batch_first=True)),
        (3, 4),
    ),
    "attention over other keys": (
        lambda: Made(lambda m, x: m.a(x, x * 2, x * 3)[0].mean(1), a=nn.MultiheadAttention(4, 2, batch_first=True)),
        (3, 4),
    ),
    "a normalised weight": (lambda: torch.nn.utils.parametrizations.weight_norm(nn.Linear(8, 5)), VECTOR),
    "a low-rank correction": (
        own(lambda m, x: functional.linear(x, m.w + m.a @ m.b), 6, 8, a=lambda: weight(6, 2), b=lambda: weight(2, 8)),
        VECTOR,
    ),
    "a correction and the weight": (
        own(
            lambda m, x: functional.linear(x, m.w + m.a @ m.b) + functional.linear(x, m.w),
            6,
            8,
            a=lambda: weight(6, 2),
            b=lambda: weight(2, 8),
        ),
        VECTOR,
    ),
    "a masked weight and the weight": (
        own(lambda m, x: functional.linear(x, m.w * torch.eye(8)) + functional.linear(x, m.w), 8, 8),
        VECTOR,
    ),
    "one normalised weight twice": (
        own(lambda m, x: (lambda w: functional.linear(functional.linear(x, w), w))(m.w / m.w.norm()), 8, 8),
        VECTOR,
    ),
    "batchnorms of one function": (
        lambda: Made(
            lambda m, x: functional.batch_norm(functional.batch_norm(m.f(x), m.a, m.b), m.c, m.d),
            f=nn.Linear(8, 4),
            a=nn.Parameter(torch.ones(4)),
            b=nn.Parameter(torch.ones(4)),
            c=nn.Parameter(torch.zeros(4)),
            d=nn.Parameter(torch.ones(4) * 4),
        ),
        VECTOR,
    ),
}


PINNED = {
    *("an LSTM", "a projected LSTM", "a GRU", "an LSTM cell", "a GRU cell", "a gelu of a weight's row"),
    *("experts by images", "attention over other keys", "attention", "queries that are learned"),
}
"""Networks in which something between the layers needs its input unscaled."""


def made(name):
    torch.manual_seed(7)
    build, shape = NETWORKS[name]
    module = build().eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_var.uniform_(0.5, 1.5)
    images = torch.randn(5, *shape, generator=torch.Generator().manual_seed(8))
    return module, images, capture(module, images)


def error(logits, expected):
    return float((logits - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("name", NETWORKS)
def test_every_way_gives_the_logits_of_the_module(name):
    module, images, network = made(name)
    with torch.no_grad():
        expected = module(images)
    for stored, folded in [(network, False), (network.fold_batchnorm(), True)]:
        for scaling in [Scaling(power_of_two=True), Scaling(), Scaling(granularity="channel")]:
            hardened = harden(stored, "fp32", scaling, ["weights"])
            unscaled = Accelerator(harden(stored, "fp32"), "none", DatapathConfig(batch=2)).run(images, chunk=3).logits
            assert error(unscaled, expected) < 1e-5, "none"
            for way in WAYS:
                if way == "none" or (scaling.granularity == "channel" and way in ("logits", "planned")):
                    continue
                if way == "logits" and name in PINNED:
                    with pytest.raises(HwsimError, match="needs its input unscaled"):
                        Accelerator(hardened, way)
                    continue
                run = Accelerator(hardened, way, DatapathConfig(batch=2)).run(images, chunk=3)
                if scaling.power_of_two:
                    assert torch.equal(run.logits, unscaled), (way, folded)
                else:
                    assert error(run.logits, expected) < 1e-5, (way, scaling, folded)


def test_the_words_in_memory_are_those_of_the_products_each_once():
    """By hand: what of each module is read by a product or looked up, by shape; nothing is stored twice."""
    sizes = {
        "an autoencoder of one matrix": 6 * 8 + 4 * 8,
        "a decoder with W.t()": 6 * 8 + 4 * 8,
        "x @ W and its transpose": 8 * 6,
        "halves and the whole": 8 * 8,
        "disjoint halves": 8 * 8,
        "a tied transposed convolution": 4 * 3 * 3 * 3,
        "transposed convolutions": 4 * 3 * 9 + 6 * 2 * 4,
        "a bilinear layer": 4 * 3 * 5,
        "experts by images": 3 * 8 * 5 + 3 * 8,
        "grouped experts": 3 * 4 * 5,
        "an LSTM": 2 * (20 * 4 + 20 * 5) + 2 * (20 * 10 + 20 * 5) + 3 * 10,
        "a GRU": 15 * 4 + 15 * 5,
        "a GRU cell": 15 * 4 + 15 * 5,
        "embedded pixels": 5 * 3 + 4 * 24,
        "an embedding tied to the head": 5 * 3,
        "embedded positions": 3 * 4 + 5 * 4,
        "positions by an MLP": 8 + 4 * 8 + 5 * 12,
        "queries that are learned": 2 * 16,
        "attention over other keys": 3 * 16 + 16,
    }
    for name, size in sizes.items():
        _, _, network = made(name)
        words = harden(network, "q2.5", Scaling()).words
        assert sum(tensor.size for tensor in words.values()) == size, name


@pytest.mark.parametrize("name", NETWORKS)
def test_a_fault_in_any_weight_reaches_the_logits(name):
    """With all its words zero, the logits change: no tensor is stored and then not read."""
    _, images, network = made(name)
    hardened = harden(network, "fp32", Scaling())
    accelerator = Accelerator(hardened, "per_layer")
    sound = accelerator.run(images).logits
    memory = Memory(hardened.words, hardened.format)
    for region in memory.regions:
        damaged = {key: words.copy() for key, words in hardened.words.items()}
        damaged[region.name][...] = 0
        other = replace(hardened, words=damaged)
        assert not torch.equal(Accelerator(other, "per_layer").run(images).logits, sound), region.name


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_is_accounted_for(name):
    module, _, network = made(name)
    parameters = {key: tensor.numel() for key, tensor in module.named_parameters()}
    whereabouts = network.whereabouts(network.weights)
    held = Counter()
    for one in network.holdings:
        held[one.parameter] += one.elements
    assert held == parameters
    assert whereabouts.total == sum(parameters.values())
    assert whereabouts.stored == whereabouts.total - sum(row["elements"] for row in whereabouts.rows)
    assert all(tensor.is_floating_point() for tensor in network.weights.values())


def test_what_stays_in_safe_memory_is_named():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.LayerNorm(4)
            self.token, self.head, self.spare = weight(4), nn.Linear(4, 2), nn.Linear(2, 2)

        def forward(self, x):
            return self.head(self.norm(self.bn(self.conv(x)).mean((2, 3)) + self.token))

    network = capture(Net(), torch.zeros(1, 3, 6, 6))
    weights, total = 4 * 27 + 2 * 4, 4 * 27 + 4 + 8 + 8 + 4 + 10 + 6
    uses = {row["parameter"]: (row["elements"], row["use"]) for row in network.whereabouts(network.weights).rows}
    assert uses == {
        "conv.bias": (4, "bias"),
        "bn.weight": (4, "batch_norm"),
        "bn.bias": (4, "batch_norm"),
        "norm.weight": (4, "layer_norm"),
        "norm.bias": (4, "layer_norm"),
        "token": (4, "add"),
        "head.bias": (2, "bias"),
        "spare.weight": (4, "unread"),
        "spare.bias": (2, "unread"),
    }
    text = (
        f"{weights} of {total} parameters ({100 * weights / total:.2f} %) in the memory under study; in safe memory: "
    )
    assert text in str(network)
    assert text in str(harden(network, "q2.5"))
    both = harden(network, "q2.5", store=["weights", "biases"]).whereabouts
    assert both.stored == weights + 6
    assert "bias" not in {one.use for one in both.safe}


def test_a_folded_batchnorm_lies_where_its_weights_do():
    network = capture(
        nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten()), torch.zeros(1, 3, 4, 4)
    )
    folded = network.fold_batchnorm()
    rows = folded.whereabouts(folded.weights).rows
    assert [(row["parameter"], row["use"]) for row in rows] == [("1.bias", "bias")]


def test_what_depends_on_no_image_is_counted_once_a_read():
    _, images, network = made("positions by an MLP")
    for batch, reads in [(1, 5), (2, 3), (5, 1)]:
        accelerator = Accelerator(harden(network, "fp32"), "none", DatapathConfig(batch=batch))
        counts = accelerator.run(images, chunk=2).counts
        assert counts["mlp.0"].macs == reads * 3 * 8
        assert counts["mlp.2"].macs == reads * 3 * 8 * 4
        assert counts["head"].macs == 5 * 12 * 5
        assert counts["mlp.0"].words_read == reads * 8


@pytest.mark.parametrize("way", [way for way in WAYS if way != "none"])
def test_sites_add_up_to_the_counters_where_weights_are_values(way):
    for name in [
        "an autoencoder of one matrix",
        "positions by an MLP",
        "grouped experts",
        "a tied transposed convolution",
    ]:
        _, images, network = made(name)
        hardened = harden(network, "fp32", Scaling())
        accelerator = Accelerator(hardened, way, DatapathConfig(batch=2))
        total = accelerator.run(images).counts.total.as_dict()
        expected = Counter()
        for site in division_sites(hardened, accelerator.plan):
            if site.kind != "absorbed":
                expected[COUNTER_OF[site.kind]] += site.elements * (3 if site.per_read else 5)
        assert {key: total[key] for key in COUNTER_OF.values()} == {key: expected[key] for key in COUNTER_OF.values()}


def test_transposed_convolutions_count_the_products_of_every_input():
    _, images, network = made("transposed convolutions")
    counts = Accelerator(harden(network, "fp32")).run(images).counts
    assert counts["0"].macs == 5 * 25 * 4 * 3 * 9  # inputs times the outputs of their group times the kernel
    assert counts["3"].macs == 5 * 100 * 6 * 2 * 4


def test_a_negative_variance_is_refused():
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Flatten()).eval()
    module[1].running_var[2] = -1e-6
    with pytest.raises(HwsimError, match=r"1\.running_var in 1 is negative or NaN: .* the weights are damaged"):
        capture(module, torch.zeros(1, 3, 2, 2))


def test_complex_parameters_are_refused():
    layer = nn.Linear(6, 3)
    layer.offset = nn.Parameter(torch.zeros(3, dtype=torch.complex64))
    with pytest.raises(HwsimError, match=r"offset in Made is torch\.complex64: parameters and buffers are real"):
        capture(Made(lambda m, x: (m.layer(x) + m.layer.offset).abs(), layer=layer), torch.zeros(1, 6))
