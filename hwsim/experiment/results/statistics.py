"""How sure a result is: 95 % intervals over fault maps and over images.

The two answer different questions. Over fault maps: how would the mean change on other dies with other
weak cells? Over images: how would it change on other images of the same kind? Neither holds the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95


class ConfidenceInterval(NamedTuple):
    low: float
    high: float


def interval_over_maps(
    values: Sequence[float], confidence: float = CONFIDENCE, limits: tuple[float, float] = (0.0, 1.0)
) -> ConfidenceInterval | None:
    """Student's t interval of the mean of independent `values`, clipped to `limits`.

    The values are one per fault map. One value says nothing about its spread, so its interval is None.
    Equal values give an interval of no width: the spread between maps was not seen, which with few maps
    does not mean that there is none.
    """
    from scipy.special import stdtrit

    n = len(values)
    if n < 2:
        return None
    array = np.asarray(values, dtype=np.float64)
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * float(array.std(ddof=1)) / math.sqrt(n)
    mean = float(array.mean())
    return ConfidenceInterval(max(limits[0], mean - half), min(limits[1], mean + half))


def interval_over_images(share: float, images: int, confidence: float = CONFIDENCE) -> ConfidenceInterval:
    """Wilson's score interval of a proportion: `share` of `images` images.

    For a mean over fault maps `share` is that mean and `images` the number of different images, however
    many maps there were. The same images are classified under each map, so this is conservative: it is as
    wide as for one map, while averaging over maps can only make the mean vary less from one set of images
    to another (the mean of [0, 1] values with mean p has variance at most p (1 - p)).
    """
    from scipy.special import ndtri

    if images < 1:
        raise ValueError("an interval over images needs at least one image")
    z = float(ndtri((1 + confidence) / 2))
    shrink = 1 / (1 + z * z / images)
    centre = shrink * (share + z * z / (2 * images))
    half = shrink * z * math.sqrt(share * (1 - share) / images + z * z / (4 * images * images))
    return ConfidenceInterval(max(0.0, centre - half), min(1.0, centre + half))
