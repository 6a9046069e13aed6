"""Small scenarios: LeNet-5 on a few Fashion-MNIST images, seconds each."""

from __future__ import annotations

from typing import Any

import pytest


def small(**tables: Any) -> dict[str, Any]:
    """A scenario of a few trials with `tables` put over it; None takes a key or a table away."""
    base: dict[str, Any] = {
        "name": "small",
        "seed": 3,
        "network": {"name": "lenet5"},
        "data": {"name": "fashion_mnist", "images": 40},
        "memory": {"formats": ["q2.5"], "ber": [1e-3, 1e-2]},
        "trials": {"fault_maps": 3},
        "variants": [{"name": "scaled", "scaling": {}, "divide": "per_layer"}],
    }
    for name, value in tables.items():
        if isinstance(value, dict) and isinstance(base.get(name), dict):
            base[name] = without_none({**base[name], **value})
        else:
            base[name] = value
    return without_none(base)


def without_none(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None}


@pytest.fixture
def scenario() -> dict[str, Any]:
    return small()
