"""Multiply-accumulates are those that PyTorch's own counter finds, or a closed form where it sees nothing."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from hwsim import Accelerator, capture, harden
from hwsim.datapath import DatapathConfig
from hwsim.network import operator_of
from hwsim.network.graph import ATEN
from hwsim.network.operators.products import OPERANDS
from tests.network.test_weights import NETWORKS, Made, made

UNSEEN = {  # what PyTorch's counter does not look into -> the closed form, for the five images
    "a bilinear layer": 5 * 4 * 5 * 3,  # outputs, second factor, first factor
    "experts by images": 5 * (3 * 8 + 3 * 8 + 3 * 8 * 5),  # the gate, gate times input, and their experts
    # four gates and two directions: the first layer over three steps, the second one, and the head
    "an LSTM": 5 * (3 * 2 * 4 * 5 * (4 + 5) + 3 * 2 * 4 * 5 * (10 + 5) + 10 * 3),
    "attention": 5 * (3 * 4 * (3 * 4) + 2 * (2 * 3 * 3 * 2) + 3 * 4 * 4),  # projections, two heads, projection
    "a low-rank correction": 5 * 6 * 8,  # it is computed before the weight is stored
}


def flops(function, *args, **options):
    """Multiply-accumulates as PyTorch counts them: half of its floating-point operations."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        function(*args, **options)
    assert counter.get_total_flops() % 2 == 0
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("name", NETWORKS)
def test_a_run_counts_the_products_of_stored_fetched_and_computed_weights(name):
    module, images, network = made(name)
    expected = UNSEEN[name] if name in UNSEEN else flops(module, images)
    run = Accelerator(harden(network, "fp32"), "none", DatapathConfig(batch=len(images))).run(images, chunk=2)
    assert run.counts.total.macs == expected > 0


def test_products_without_weights_are_counted_in_their_layer():
    module = Made(
        lambda m, x: functional.scaled_dot_product_attention(m.q(x), x, x[..., :2]).flatten(1), q=nn.Linear(4, 4)
    )
    images = torch.randn(3, 5, 4)
    network = capture(module, images)
    counts = Accelerator(harden(network, "fp32")).run(images).counts
    assert counts["q"].macs == 3 * 5 * 4 * 4
    assert counts.total.macs - counts["q"].macs == 3 * (5 * 5 * 4 + 5 * 5 * 2)


def ones(*shape):
    return torch.ones(*shape)


CALLS = [
    (ATEN.linear.default, ones(2, 3, 8), ones(5, 8), ones(5)),
    (ATEN.matmul.default, ones(2, 3, 8), ones(8, 5)),
    (ATEN.matmul.default, ones(2, 1, 3, 8), ones(4, 8, 5)),
    (ATEN.matmul.default, ones(8), ones(8, 5)),
    (ATEN.mm.default, ones(3, 8), ones(8, 5)),
    (ATEN.bmm.default, ones(2, 3, 8), ones(2, 8, 5)),
    (ATEN.tensordot.default, ones(2, 3, 8), ones(5, 8, 3), [1, 2], [2, 1]),
    (ATEN.addmm.default, ones(5), ones(3, 8), ones(8, 5)),
    (ATEN.baddbmm.default, ones(2, 3, 5), ones(2, 3, 8), ones(2, 8, 5)),
    (ATEN.conv1d.default, ones(2, 4, 9), ones(6, 2, 3), None, [2], [1], [1], 2),
    (ATEN.conv2d.default, ones(2, 4, 9, 7), ones(6, 4, 3, 2), None, [2, 1], [1, 0]),
    (ATEN.conv3d.default, ones(1, 2, 4, 5, 6), ones(3, 2, 2, 2, 3)),
    (ATEN.conv_transpose1d.default, ones(2, 4, 9), ones(4, 3, 3), None, [2], [1], [0], 2),
    (ATEN.conv_transpose2d.input, ones(2, 4, 5, 6), ones(4, 3, 3, 2), None, [2, 1]),
    (ATEN.conv_transpose3d.input, ones(1, 2, 4, 5, 6), ones(2, 3, 2, 2, 3)),
    (ATEN.scaled_dot_product_attention.default, ones(2, 3, 5, 4), ones(2, 3, 7, 4), ones(2, 3, 7, 6)),
    (ATEN.einsum.default, "bi,io->bo", [ones(2, 8), ones(8, 5)]),
    (ATEN.einsum.default, "b i, i o", [ones(2, 8), ones(8, 5)]),
    (ATEN.einsum.default, "...i,oi->...o", [ones(2, 3, 8), ones(5, 8)]),
    (ATEN.einsum.default, "...ij,...jk", [ones(3, 2, 8), ones(1, 8, 5)]),
    (ATEN.einsum.default, "bgi,gio->bgo", [ones(2, 3, 8), ones(3, 8, 5)]),
    (ATEN.einsum.default, "bgi,gio->bo", [ones(2, 3, 8), ones(3, 8, 5)]),
    (ATEN.einsum.default, "bi,ij,jo->bo", [ones(2, 8), ones(8, 4), ones(4, 5)]),
    (ATEN.einsum.default, "bit,io->bo", [ones(2, 8, 4), ones(8, 5)]),  # t is summed before
]


@pytest.mark.parametrize(("target", "args"), [(call[0], call[1:]) for call in CALLS], ids=lambda part: str(part)[:20])
def test_an_operation_counts_what_pytorch_counts(target, args):
    assert operator_of(target).macs(args, {}, target(*args)) == flops(target, *args) > 0


@pytest.mark.parametrize(
    ("target", "args", "options", "expected"),
    [
        (ATEN.mv.default, (ones(3, 8), ones(8)), {}, 3 * 8),
        (ATEN.dot.default, (ones(8), ones(8)), {}, 8),
        (ATEN.inner.default, (ones(2, 3, 8), ones(5, 8)), {}, 2 * 3 * 5 * 8),
        (ATEN.addmv.default, (ones(3), ones(3, 8), ones(8)), {"beta": 2}, 3 * 8),
        (ATEN.addbmm.default, (ones(3, 5), ones(2, 3, 8), ones(2, 8, 5)), {}, 2 * 3 * 8 * 5),
        (ATEN.linalg_vecdot.default, (ones(2, 8, 3), ones(8, 3)), {"dim": 1}, 2 * 8 * 3),
        (ATEN.bilinear.default, (ones(2, 3), ones(2, 5), ones(4, 3, 5)), {}, 2 * 4 * (3 * 5 + 5)),
        (ATEN.einsum.default, ("bi,bi->b", [ones(2, 8), ones(2, 8)]), {}, 2 * 8),
        (ATEN.einsum.default, ("bii->b", [ones(2, 8, 8)]), {}, 0),  # a sum has no products
        (ATEN.embedding.default, (ones(5, 3), torch.tensor([1, 2])), {}, 0),  # a row is read, not multiplied
        (ATEN.add.Tensor, (ones(5), ones(5)), {}, 0),
    ],
    ids=lambda part: str(part)[:20],
)
def test_an_operation_that_pytorch_does_not_count_has_a_closed_form(target, args, options, expected):
    macs = operator_of(target).macs
    assert (macs(args, options, target(*args, **options)) if macs else 0) == expected


def test_every_product_of_weights_is_tried_here():
    tried = {call[0] for call in CALLS} | {ATEN.mv.default, ATEN.dot.default, ATEN.inner.default}
    tried |= {ATEN.addmv.default, ATEN.addbmm.default, ATEN.bilinear.default, ATEN.embedding.default}
    assert {target for target in OPERANDS if ".padding" not in str(target)} <= tried
