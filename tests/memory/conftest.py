"""Memories to test on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hwsim.memory import Memory
from hwsim.words import get_format

# Shapes of layers: convolution, depthwise convolution, 1-D convolution, linear, bias, one number, nothing.
SHAPES = {
    "conv": (6, 3, 5, 4),
    "depthwise": (8, 1, 3, 3),
    "conv1d": (4, 6, 3),
    "linear": (10, 17),
    "bias": (10,),
    "scale": (),
    "empty": (0, 4),
}


@pytest.fixture
def layers() -> Callable[..., Memory]:
    """A memory with a tensor of each shape; its words are any bits, from a seed, in any format."""

    def make(format_name: str = "fp32", seed: int = 0) -> Memory:
        fmt, generator = get_format(format_name), np.random.default_rng(seed)
        words = {name: generator.integers(0, 1 << fmt.width, shape, fmt.dtype) for name, shape in SHAPES.items()}
        return Memory({name: np.asarray(array, fmt.dtype) for name, array in words.items()}, fmt)

    return make
