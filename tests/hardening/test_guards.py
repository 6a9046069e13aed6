"""Guards change suspicious words only, as their table says."""

import math
import struct

import numpy as np
import pytest

from hwsim import HwsimError, get_format
from hwsim.hardening import Guards


def words(*values):
    return np.array([struct.unpack("<I", struct.pack("<f", v))[0] for v in values], np.uint32)


FP32 = get_format("fp32")
SEEN = words(0.5, -0.25, 3.0, -math.inf, math.nan, 1e38)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), [0.5, -0.25, 3.0, -math.inf, math.nan, float(np.float32(1e38))]),
        (("nonfinite_to_zero",), [0.5, -0.25, 3.0, 0.0, 0.0, float(np.float32(1e38))]),
        (("out_of_range_to_zero",), [0.5, -0.25, 0.0, 0.0, 0.0, 0.0]),
        (("clamp",), [0.5, -0.25, 1.0, -1.0, 1.0, 1.0]),
        (("nonfinite_to_zero", "clamp"), [0.5, -0.25, 1.0, 0.0, 0.0, 1.0]),
    ],
)
def test_each_guard_does_what_its_table_says(names, expected):
    values, changed = Guards(names).read(SEEN, 1.0, FP32)
    np.testing.assert_array_equal(values, np.array(expected, np.float32))
    before = FP32.decode(SEEN)
    assert changed == sum(not (a == b or (a != a and b != b)) for a, b in zip(before, values, strict=True))


def test_the_masked_bit_is_read_as_zero():
    one_and_a_half = words(1.5)
    flipped = one_and_a_half ^ np.uint32(1 << 30)
    values, changed = Guards(["mask_exponent_msb"]).read(flipped, 2.0, FP32)
    assert values.tolist() == [1.5]
    assert changed == 1


def test_order_of_names_does_not_matter():
    assert Guards(["clamp", "nonfinite_to_zero"]) == Guards(["nonfinite_to_zero", "clamp"])


def test_masking_is_refused_where_a_stored_value_needs_the_bit():
    with pytest.raises(HwsimError, match=r"conv1.weight stores values of magnitude 2 or more"):
        Guards(["mask_exponent_msb"]).check("conv1.weight", words(0.5, 2.0), FP32)
    Guards(["mask_exponent_msb"]).check("conv1.weight", words(0.5, 1.9999), FP32)


def test_masking_is_refused_without_an_exponent():
    with pytest.raises(HwsimError, match=r"q2.5 has no exponent"):
        Guards(["mask_exponent_msb"]).check("w", np.zeros(1, np.uint8), get_format("q2.5"))


def test_an_unknown_guard_names_the_nearest():
    with pytest.raises(HwsimError, match="did you mean 'clamp'"):
        Guards(["clmap"])
