"""Each rule of the scale algebra holds numerically: f(s v) with the rule applied is exactly s f(v)."""

import pytest
import torch

from hwsim.datapath.plan import rescaled_arguments
from hwsim.network import Call, Ref, Rule, Scale, rule_of, teach
from hwsim.network.graph import ATEN, Parameter

X = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(1))
SCALE = Scale.of(8.0)  # a power of two, so that equality is to the bit

CARRIED = [
    (ATEN.relu.default, ()),
    (ATEN.leaky_relu.default, (0.2,)),
    (ATEN.max_pool2d.default, ([2, 2],)),
    (ATEN.avg_pool2d.default, ([3, 3], [2, 2], [1, 1])),
    (ATEN.adaptive_avg_pool2d.default, ([1, 1],)),
    (ATEN.adaptive_avg_pool2d.default, ([4, 4],)),
    (ATEN.flatten.using_ints, (1,)),
    (ATEN.reshape.default, ([2, -1],)),
    (ATEN.permute.default, ([0, 2, 3, 1],)),
    (ATEN.mean.dim, ([2, 3],)),
    (ATEN.sum.dim_IntList, ([2, 3],)),
    (ATEN.slice.Tensor, (1, 0, 2)),
    (ATEN.neg.default, ()),
    (ATEN.abs.default, ()),
    (ATEN.pad.default, ([1, 1, 1, 1],)),
    (ATEN.constant_pad_nd.default, ([1, 1, 1, 1], 0.0)),
    (ATEN.mul.Scalar, (3.0,)),
]
CLAMPED = [
    (ATEN.hardtanh.default, (0.0, 6.0)),
    (ATEN.hardtanh.default, (-0.5, 0.25)),
    (ATEN.clamp.default, (-0.5, 0.5)),
    (ATEN.clamp.default, (None, 0.5)),
    (ATEN.clamp_min.default, (0.25,)),
    (ATEN.clamp_max.default, (0.25,)),
]


def call(target, *args):
    return Call("f", "layer", target, args)


@pytest.mark.parametrize(("target", "rest"), CARRIED)
def test_homogeneous_operations_carry_the_scale(target, rest):
    assert rule_of(call(target, Ref("x"), *rest)).effect == "carry"
    assert torch.equal(target(8.0 * X, *rest), 8.0 * target(X, *rest))


@pytest.mark.parametrize(("target", "rest"), CLAMPED)
def test_clamps_scale_their_bounds(target, rest):
    f = call(target, Ref("x"), *rest)
    assert rule_of(f).effect == "clamp"
    _, *bounds = rescaled_arguments(f, SCALE)
    assert torch.equal(target(8.0 * X, *bounds), 8.0 * target(X, *rest))


def test_an_added_number_is_scaled():
    f = call(ATEN.add.Scalar, Ref("x"), 0.75)
    _, offset = rescaled_arguments(f, SCALE)
    assert torch.equal(ATEN.add.Scalar(8.0 * X, offset), 8.0 * (X + 0.75))


@pytest.mark.parametrize("target", [ATEN.add.Tensor, ATEN.sub.Tensor, ATEN.maximum.default])
def test_joins_of_two_equal_scales_have_that_scale(target):
    assert rule_of(call(target, Ref("x"), Ref("y"))).effect == "join"
    assert torch.equal(target(8.0 * X, 8.0 * X.flip(0)), 8.0 * target(X, X.flip(0)))


def test_concatenation_joins_all_its_inputs():
    f = call(ATEN.cat.default, (Ref("x"), Ref("y"), Ref("z")), 1)
    assert rule_of(f).effect == "join"
    assert f.inputs == ("x", "y", "z")


@pytest.mark.parametrize(
    "f",
    [
        call(ATEN.gelu.default, Ref("x")),
        call(ATEN.sigmoid.default, Ref("x")),
        call(ATEN.softmax.int, Ref("x"), 1),
        call(ATEN.hardswish.default, Ref("x")),
        call(ATEN.pad.default, Ref("x"), [1, 1], "constant", 1.0),
        call(ATEN.constant_pad_nd.default, Ref("x"), [1, 1], 1.0),
        call(ATEN.add.Tensor, Ref("x"), Parameter("p")),
        call(ATEN.clamp.default, Ref("x"), Ref("y")),
    ],
)
def test_what_is_not_homogeneous_has_no_rule(f):
    assert rule_of(f) is None


def test_an_operation_of_ones_own_can_be_taught():
    target = ATEN.sqrt.default
    assert rule_of(call(target, Ref("x"))) is None
    teach(target, Rule("carry", applies=lambda c: False))
    assert rule_of(call(target, Ref("x"))) is None
