"""Each rule of the scale algebra holds numerically: f(s v) with the rule applied is exactly s f(v)."""

import math

import pytest
import torch

from hwsim.network import Call, Ref, Rule, Scale, rule_of, teach
from hwsim.network.graph import ATEN, Parameter, Size, substitute

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
    (ATEN.sum.default, ()),
    (ATEN.amin.default, ([2, 3],)),
    (ATEN.cumsum.default, (1,)),
    (ATEN.std.correction, ([2, 3],)),
    (ATEN.linalg_vector_norm.default, (2, [1], True)),
    (ATEN.linalg_vector_norm.default, ()),
    (ATEN.linalg_vector_norm.default, (1, [1])),
    (ATEN.linalg_vector_norm.default, (math.inf, [1])),
    (ATEN.flip.default, ([2],)),
    (ATEN.repeat.default, ([1, 1, 2, 1],)),
    (ATEN.tile.default, ([2, 1],)),
    (ATEN.gather.default, (1, torch.tensor([3, 0]).view(1, 2, 1, 1).expand(2, 2, 6, 6))),
    (ATEN.pixel_unshuffle.default, (2,)),
    (ATEN.im2col.default, ([3, 3], [1, 1], [1, 1], [2, 2])),
    (ATEN.unfold.default, (2, 2, 2)),
    (ATEN.movedim.intlist, ([1, 2], [3, 1])),
    (ATEN.upsample_nearest2d.vec, ([9, 12], None)),
    (ATEN.upsample_bilinear2d.vec, ([9, 12], False, None)),
    (ATEN.upsample_bicubic2d.vec, ([9, 12], False, None)),
    (ATEN.grid_sampler_2d.default, (torch.linspace(-1, 1, 100).view(2, 5, 5, 2), 0, 0, False)),
]
CLAMPED = [
    (ATEN.hardtanh.default, (0.0, 6.0)),
    (ATEN.hardtanh.default, (-0.5, 0.25)),
    (ATEN.hardtanh.default, (0.25,)),
    (ATEN.hardtanh.default, ()),
    (ATEN.clamp.default, (-0.5, 0.5)),
    (ATEN.clamp.default, (None, 0.5)),
    (ATEN.clamp_min.default, (0.25,)),
    (ATEN.clamp_max.default, (0.25,)),
]
PADDED = [
    (ATEN.pad.default, ([1, 1], "constant", 0.75)),
    (ATEN.pad.default, ([1, 1], "constant", -torch.inf)),
    (ATEN.pad.default, ([1, 1, 1, 1], "reflect")),
    (ATEN.constant_pad_nd.default, ([1, 1], 0.75)),
]


def call(target, *args):
    return Call("f", "layer", target, args)


@pytest.mark.parametrize(("target", "rest"), CARRIED)
def test_homogeneous_operations_carry_the_scale(target, rest):
    assert rule_of(call(target, Ref("x"), *rest)).effect == "carry"
    assert torch.equal(target(8.0 * X, *rest), 8.0 * target(X, *rest))


@pytest.mark.parametrize("order", [0.5, 3, 7.5])
def test_a_norm_of_positive_order_carries_the_scale(order):
    f = call(ATEN.linalg_vector_norm.default, Ref("x"), order, [1])
    assert rule_of(f).effect == "carry"
    torch.testing.assert_close(f.target(8.0 * X, order, [1]), 8.0 * f.target(X, order, [1]))


def test_overlapping_patches_that_are_put_together_carry_the_scale():
    patches, rest = X.reshape(2, 16, 9), ([4, 4], [2, 2], [1, 1], [0, 0], [1, 1])
    assert rule_of(call(ATEN.col2im.default, Ref("x"), *rest)).effect == "carry"
    assert torch.equal(ATEN.col2im.default(8.0 * patches, *rest), 8.0 * ATEN.col2im.default(patches, *rest))


PARAMETERS = {"p": torch.linspace(0.5, 2, 6), "mask": X[:1] > 0, "token": X[1:, :1], "mix": X[0, 0]}


def evaluated(f, given):
    def value_of(leaf):
        if isinstance(leaf, Parameter):
            parameter = PARAMETERS[leaf.name]
            return parameter if leaf.factor.is_one else parameter * float(leaf.factor)
        return given[leaf.name] if isinstance(leaf, Ref) else leaf

    return f.target(*substitute(f.args, value_of))


def computed(f, *values, result=SCALE):
    """What a call, rewritten for inputs and result of scale 8, computes from 8 v."""
    inputs = dict.fromkeys(f.inputs, SCALE)
    return evaluated(rule_of(f).rewrite(f, inputs, result), dict(zip(f.inputs, values, strict=True)))


def true(f, *values):
    """What the call computes from v."""
    return evaluated(f, dict(zip(f.inputs, values, strict=True)))


@pytest.mark.parametrize(("target", "rest"), [*CLAMPED, *PADDED])
def test_bounds_and_padding_are_scaled(target, rest):
    f = call(target, Ref("x"), *rest)
    assert rule_of(f).effect == "carry"
    assert torch.equal(computed(f, 8.0 * X), 8.0 * true(f, X))


@pytest.mark.parametrize(
    "f",
    [
        call(ATEN.add.Scalar, Ref("x"), 0.75),
        call(ATEN.add.Tensor, Ref("x"), 0.75),
        call(ATEN.add.Tensor, Ref("x"), Parameter("p")),
        call(ATEN.add.Tensor, Parameter("p"), Ref("x")),
        call(ATEN.sub.Tensor, Ref("x"), Parameter("p")),
        call(ATEN.sub.Tensor, Parameter("p"), Ref("x")),
        call(ATEN.rsub.Scalar, Ref("x"), 0.75),
        call(ATEN.masked_fill.Scalar, Ref("x"), Parameter("mask"), 0.75),
        call(ATEN.masked_fill.Scalar, Ref("x"), Parameter("mask"), -torch.inf),
    ],
)
def test_an_added_constant_is_scaled(f):
    assert rule_of(f).effect == "carry"
    assert torch.equal(computed(f, 8.0 * X), 8.0 * true(f, X))


ABSORBING = [
    call(ATEN.mul.Scalar, Ref("x"), 3.0),
    call(ATEN.mul.Tensor, Ref("x"), Parameter("p")),
    call(ATEN.mul.Tensor, Parameter("p"), Ref("x")),
    call(ATEN.div.Tensor, Ref("x"), 3.0),
    call(ATEN.div.Tensor, Ref("x"), Parameter("p")),
    call(ATEN.matmul.default, Ref("x"), Parameter("mix")),
    call(ATEN.matmul.default, Parameter("mix"), Ref("x")),
    call(ATEN.addcmul.default, Parameter("p"), Parameter("p"), Ref("x")),
    call(ATEN.addcmul.default, Parameter("p"), Ref("x"), Parameter("p")),
    call(ATEN.layer_norm.default, Ref("x"), [6], Parameter("p"), Parameter("p"), 0.01),
    call(ATEN.layer_norm.default, Ref("x"), [6], Parameter("p")),
    call(ATEN.layer_norm.default, Ref("x"), [6]),
    call(ATEN.layer_norm.default, Ref("x"), [6], None, None, 0.01),
    call(ATEN.layer_norm.default, Ref("x"), [6], None, Parameter("p")),
    call(ATEN.layer_norm.default, Ref("x"), [6], None, Parameter("p"), 0.01, False),
    call(ATEN.group_norm.default, Ref("x"), 2, None, None, 0.01),
    call(ATEN.instance_norm.default, Ref("x"), None, None, None, None, True, 0.1, 0.01, False),
    call(ATEN.rms_norm.default, Ref("x"), [6], Parameter("p"), 0.01),
    call(ATEN.rms_norm.default, Ref("x"), [6], Parameter("p")),
    call(ATEN.rms_norm.default, Ref("x"), [6]),
    call(ATEN.hardswish.default, Ref("x")),
    call(ATEN.hardsigmoid.default, Ref("x")),
]


@pytest.mark.parametrize("f", ABSORBING, ids=lambda f: str(f.target))
@pytest.mark.parametrize("result", [1.0, 8.0, 0.25])
def test_a_constant_multiplier_gives_the_result_any_scale(f, result):
    assert rule_of(f).effect == "absorb"
    got = computed(f, 8.0 * X, result=Scale.of(result))
    torch.testing.assert_close(got, result * true(f, X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", [ATEN.group_norm.default, ATEN.instance_norm.default])
@pytest.mark.parametrize("result", [1.0, 8.0, 0.25])
@pytest.mark.parametrize("gamma", [None, Parameter("p")])
@pytest.mark.parametrize("beta", [None, Parameter("p")])
def test_normalisation_of_channels_with_and_without_a_factor_and_an_addend(target, result, gamma, beta):
    before, after = ((2,), ()) if target == ATEN.group_norm.default else ((), (None, None, True, 0.1))
    f = call(target, Ref("x"), *before, gamma, beta, *after, 0.01, False)
    x = X.transpose(1, 2).contiguous()
    torch.testing.assert_close(computed(f, 8.0 * x, result=Scale.of(result)), result * true(f, x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("target", "multiplies"), [(ATEN.hardswish.default, True), (ATEN.hardsigmoid.default, False)])
def test_the_offset_and_the_bound_of_hard_functions_scale_with_their_input(target, multiplies):
    """Where they bend, x = -3 and 3, and between; computed here from their definition with powers of two only."""
    x = torch.tensor([-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0])
    gate = (x + 3).clamp(0, 6) / 6
    got = computed(call(target, Ref("x")), 8.0 * x, result=Scale.of(4.0))
    torch.testing.assert_close(got, 4.0 * (x * gate if multiplies else gate), rtol=1e-6, atol=0)
    assert rule_of(call(target, Ref("x"))).offset == 3  # what the sum inside adds to the largest magnitude


@pytest.mark.parametrize("target", [ATEN.hardswish.default, ATEN.hardsigmoid.default])
def test_a_scale_beyond_fp32_overflows_in_the_tensor_and_not_in_python(target):
    f, huge = call(target, Ref("x")), Scale(1.5, 130)
    rewritten = rule_of(f).rewrite(f, {"x": huge}, huge)
    assert not rewritten.target(torch.full((3,), torch.inf)).isfinite().any()


def test_attention_takes_up_the_scales_of_queries_and_keys():
    query, key, value = (torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(i)) for i in range(3))
    f = call(ATEN.scaled_dot_product_attention.default, Ref("q"), Ref("k"), Ref("v"))
    torch.testing.assert_close(computed(f, 8 * query, 8 * key, 8 * value), 8 * true(f, query, key, value))


@pytest.mark.parametrize("target", [ATEN.add.Tensor, ATEN.sub.Tensor, ATEN.maximum.default])
def test_joins_of_two_equal_scales_have_that_scale(target):
    assert rule_of(call(target, Ref("x"), Ref("y"))).effect == "join"
    assert torch.equal(target(8.0 * X, 8.0 * X.flip(0)), 8.0 * target(X, X.flip(0)))


def test_a_quotient_divides_the_scale_of_the_first_input_by_that_of_the_second():
    f = call(ATEN.div.Tensor, Ref("x"), Ref("y"))
    assert rule_of(f).effect == "quotient"
    assert torch.equal((8.0 * X) / (2.0 * X.exp()), 4.0 * (X / X.exp()))


@pytest.mark.parametrize("target", [ATEN.mul.Tensor, ATEN.div.Tensor])
def test_the_number_of_images_is_a_factor_without_scale(target):
    assert rule_of(call(target, Ref("x"), Size("n"))).effect == "carry"


def test_what_is_copied_into_a_tensor_keeps_its_scale():
    f = call(ATEN.copy.default, Ref("x"), Ref("y"))
    assert rule_of(f).carried == 1
    assert torch.equal(computed(f, X, 8.0 * X.flip(0)), 8.0 * true(f, X, X.flip(0)))


@pytest.mark.parametrize("target", [ATEN.expand_as.default, ATEN.reshape_as.default, ATEN.view_as.default])
def test_of_a_tensor_whose_shape_is_taken_only_the_shape_matters(target):
    f = call(target, Ref("x"), Ref("y"))
    assert torch.equal(computed(f, 8.0 * X, X.flip(0)), 8.0 * true(f, X, X.flip(0)))
    assert rule_of(f).absorbs_others


@pytest.mark.parametrize(
    "f",
    [
        call(ATEN.cat.default, [Parameter("token"), Ref("x")], 1),
        call(ATEN.cat.default, [Parameter("token"), Ref("x"), Parameter("token")], 1),
        call(ATEN.maximum.default, Ref("x"), Parameter("p")),
        call(ATEN.minimum.default, Parameter("p"), Ref("x")),
        call(ATEN.where.self, Parameter("mask"), Ref("x"), Parameter("p")),
        call(ATEN.slice_scatter.default, Ref("x"), Parameter("token"), 1, 0, 1),
        call(ATEN.where.ScalarOther, Parameter("mask"), Ref("x"), 0.75),
        call(ATEN.where.ScalarSelf, Parameter("mask"), 0.75, Ref("x")),
    ],
    ids=lambda f: str(f.target),
)
def test_constants_that_are_joined_with_tensors_are_scaled(f):
    assert rule_of(f).effect == "join"
    assert torch.equal(computed(f, 8.0 * X[1:]), 8.0 * true(f, X[1:]))


@pytest.mark.parametrize(
    "f",
    [
        call(ATEN.expand.default, Parameter("token"), [3, 1, 6, 6]),
        call(ATEN.repeat.default, Parameter("token"), [3, 1, 1, 1]),
    ],
    ids=lambda f: str(f.target),
)
def test_a_constant_for_each_image_takes_any_scale(f):
    assert rule_of(f).effect == "absorb"
    assert torch.equal(computed(f), 8.0 * true(f))


@pytest.mark.parametrize("target", [ATEN.zeros.default, ATEN.ones.default, ATEN.full.default])
def test_a_constant_made_for_each_image_takes_any_scale(target):
    f = call(target, [Size("n"), 3], *[0.75] * (target == ATEN.full.default))
    rewritten = rule_of(f).rewrite(f, {"n": Scale()}, SCALE)
    assert torch.equal(evaluated(rewritten, {"n": 2}), 8.0 * evaluated(f, {"n": 2}))


@pytest.mark.parametrize("result", [1.0, 8.0, 0.25])
@pytest.mark.parametrize(
    "f",
    [
        call(ATEN.ones_like.default, Ref("x")),
        call(ATEN.zeros_like.default, Ref("x")),
        call(ATEN.full_like.default, Ref("x"), 0.75),
        call(ATEN.fill.Scalar, Ref("x"), 0.75),
        call(ATEN.new_zeros.default, Ref("x"), [2, 3]),
        call(ATEN.new_ones.default, Ref("x"), [2, 3]),
        call(ATEN.new_full.default, Ref("x"), [2, 3], 0.75),
    ],
    ids=lambda f: str(f.target),
)
def test_what_takes_only_its_shape_from_a_tensor_has_any_scale(f, result):
    assert rule_of(f).effect == "absorb"
    assert torch.equal(computed(f, 8.0 * X, result=Scale.of(result)), result * true(f, X))


def test_a_fixed_mask_joins_what_it_chooses_from():
    f = call(ATEN.where.self, Parameter("mask"), Ref("x"), Ref("y"))
    assert rule_of(f).effect == "join"
    assert torch.equal(computed(f, 8.0 * X, 8.0 * X.flip(0)), 8.0 * true(f, X, X.flip(0)))


def test_concatenation_joins_all_its_inputs():
    f = call(ATEN.cat.default, (Ref("x"), Ref("y"), Ref("z")), 1)
    assert rule_of(f).effect == "join"
    assert f.inputs == ("x", "y", "z")


@pytest.mark.parametrize(
    "f",
    [
        call(ATEN.gelu.default, Ref("x")),
        call(ATEN.linalg_vector_norm.default, Ref("x"), 0),
        call(ATEN.linalg_vector_norm.default, Ref("x"), -1),
        call(ATEN.layer_norm.default, Parameter("p"), [6], Ref("x")),
        call(ATEN.fill.Tensor, Parameter("p"), Ref("x")),
        call(ATEN.sigmoid.default, Ref("x")),
        call(ATEN.softmax.int, Ref("x"), 1),
        call(ATEN.pad.default, Ref("x"), [1, 1], "constant", Ref("y")),
        call(ATEN.clamp.default, Ref("x"), Ref("y")),
        call(ATEN.where.self, Ref("m"), Ref("x"), Ref("y")),
        call(ATEN.addcmul.default, Ref("x"), Ref("y"), Parameter("p")),
        call(ATEN.div.Tensor, Parameter("p"), Ref("x"), Ref("y")),
        call(ATEN.pow.Tensor_Scalar, Ref("x"), 0.3),
        call(ATEN.pow.Tensor_Scalar, Ref("x"), 0),
        call(ATEN.prelu.default, Ref("x"), Ref("x")),
        call(ATEN.gt.Scalar, Ref("x"), 0.5),
        call(ATEN.add.Tensor, Ref("x"), Size("n")),
        call(ATEN.div.Tensor, Size("n"), Ref("x")),
        call(ATEN.instance_norm.default, Ref("x"), None, None, Parameter("p"), Parameter("p"), False, 0.1, 0.01, False),
    ],
)
def test_what_is_not_homogeneous_has_no_rule(f):
    assert rule_of(f) is None


def test_an_operation_of_ones_own_can_be_taught():
    target = ATEN.sin.default
    assert rule_of(call(target, Ref("x"))) is None
    teach(target, Rule("carry", applies=lambda c: False))
    assert rule_of(call(target, Ref("x"))) is None
