"""Operations that put elements elsewhere, or choose among them: a scale passes, and so does order."""

from __future__ import annotations

import operator

from hwsim.network.graph import ATEN, places_of
from hwsim.network.operators.bounds import increasing, kept, no_smaller
from hwsim.network.operators.conditions import (
    alone_in_front,
    reads_a_value,
    repeats_a_parameter,
    starts_with_a_value,
    two_values,
)
from hwsim.network.operators.operator import overloads, teach, teach_all
from hwsim.network.operators.rewrites import filled, joins, scaling
from hwsim.network.operators.rules import Rule

_CARRY = Rule("carry", reads_a_value)

teach_all(
    [
        *overloads(
            *("slice.Tensor", "select.int", "chunk", "split.Tensor", "split_with_sizes", "unbind.int", "unsqueeze"),
            *("squeeze.dim", "squeeze.dims", "squeeze", "narrow", "roll", "flip", "flatten.using_ints"),
            *("unflatten.int", "reshape", "permute", "transpose.int", "swapaxes", "t", "mT", "tile"),
            *("repeat_interleave.self_int", "movedim.int", "movedim.intlist", "channel_shuffle", "pixel_shuffle"),
            *(
                "pixel_unshuffle",
                "index_select",
                "index.Tensor",
                "gather",
                "take_along_dim",
                "diagonal",
                "tril",
                "triu",
            ),
            *("rot90", "as_strided", "unfold", "im2col", "upsample_nearest1d.vec", "upsample_nearest2d.vec"),
            *("upsample_nearest3d.vec", "_upsample_nearest_exact2d.vec"),
        ),
        operator.getitem,
    ],
    _CARRY,
    bound=increasing,
)
teach_all(
    overloads(
        *("tensor_split.sections", "numpy_T", "diag_embed", "diff", "col2im", "grid_sampler", "grid_sampler_2d"),
        *("grid_sampler_3d", "upsample_bicubic2d.vec", "_upsample_nearest_exact1d.vec"),
        *("_upsample_nearest_exact3d.vec", "_upsample_bilinear2d_aa.vec", "_upsample_bicubic2d_aa.vec", "fft_fft"),
        *("fft_ifft", "fft_rfft", "fft_irfft", "fft_fft2", "fft_ifft2", "fft_rfft2", "fft_irfft2", "fft_fftn"),
        *("fft_ifftn", "fft_rfftn", "fft_irfftn", "real", "imag", "view_as_real", "view_as_complex", "max_unpool2d"),
        *("max_unpool3d", "embedding"),
    ),
    _CARRY,
)
teach_all(overloads("contiguous", "clone"), _CARRY, bound=kept)
teach_all(overloads("to.dtype", "type_as"), bound=kept)
teach(places_of, Rule("drop"))

# Of the other input only the shape, or the signs, matter.
_SHAPED = Rule("carry", starts_with_a_value, absorbs_others=True)
teach(ATEN.expand_as.default, _SHAPED, bound=no_smaller)
teach_all(overloads("reshape_as", "view_as", "copysign.Tensor"), _SHAPED)
teach(ATEN.copy.default, Rule("carry", two_values, carried=1, absorbs_others=True), bound=increasing)

# -- constants for each image, such as a class token

_REPEATED = Rule("absorb", repeats_a_parameter, scaling(0), keeps=False)
teach(ATEN.expand.default, _CARRY, _REPEATED, bound=no_smaller)
teach(ATEN.repeat.default, _CARRY, _REPEATED, bound=increasing)
teach_all(
    overloads("ones_like", "full_like", "new_ones", "new_full"), Rule("absorb", reads_a_value, filled, keeps=False)
)
# For each image, of which there are a Size.
teach_all(overloads("zeros", "ones", "full"), Rule("absorb", rewrite=filled, keeps=False))
teach_all(overloads("fill.Tensor", "fill.Scalar"), Rule("absorb", alone_in_front, filled, keeps=False))
teach_all(overloads("zeros_like", "new_zeros"), Rule("absorb", reads_a_value, keeps=False))

# -- tensors beside each other, or put into each other: of one scale

teach_all(overloads("cat", "stack"), joins(0), bound=increasing, shown="the concatenation")
teach_all(overloads("hstack", "concat"), joins(0), bound=increasing)
teach_all(overloads("vstack", "concatenate"), joins(0))
teach_all(overloads("where.self", "where.ScalarOther", "where.ScalarSelf"), joins(1, 2), bound=increasing)
teach_all(overloads("slice_scatter", "select_scatter"), joins(0, 1), bound=increasing)  # a part of a tensor replaced
teach_all(overloads("index_copy", "scatter.src"), joins(0, 3), bound=increasing)
teach_all(overloads("index_add", "scatter_add"), joins(0, 3))
teach(ATEN.masked_fill.Tensor, joins(0, 2), bound=increasing)
teach(ATEN.index_put.default, joins(0, 2))
teach(ATEN.masked_fill.Scalar, Rule("carry", reads_a_value, scaling(2)), bound=increasing)
teach(ATEN.index_fill.int_Scalar, Rule("carry", reads_a_value, scaling(3)))
