"""Attention keeps what is not a number, which torch's fused form for the CPU turns into zeros."""

import math

import pytest
import torch

from hwsim.network.operators.attention import attention

BAD = {"NaN": math.nan, "infinity": math.inf, "minus infinity": -math.inf, "products beyond FP32": 3e38}


def brute_force(query, key, value, mask=None, is_causal=False):
    """The definition, one query after the other, in FP32."""
    out = torch.empty(*query.shape[:-1], value.shape[-1])
    for index in torch.cartesian_prod(*[torch.arange(size) for size in query.shape[:-1]]):
        image, head, position = index.tolist()
        scores = (key[image, head] * query[image, head, position]).sum(-1) / math.sqrt(query.shape[-1])
        scores = scores if mask is None else scores + mask[position]
        scores = scores[: position + 1] if is_causal else scores
        out[image, head, position] = scores.softmax(0) @ value[image, head, : len(scores)]
    return out


def drawn():
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(2, 2, 5, 4, generator=generator) for _ in range(3)]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("which", ["query", "key"])
@pytest.mark.parametrize("where", ["a head", "a position", "an element"])
@pytest.mark.parametrize("extra", ["", "causal", "mask"])
def test_what_is_not_a_number_stays_so(bad, which, where, extra):
    tensors = dict(zip(("query", "key", "value"), drawn(), strict=True))
    place = {"a head": (0, 1), "a position": (0, 1, 2), "an element": (0, 1, 2, 3)}[where]
    tensors[which][place] = BAD[bad]
    if bad == "products beyond FP32":
        tensors["key" if which == "query" else "query"].mul_(100)
    mask = torch.linspace(-1, 1, 25).reshape(5, 5) if extra == "mask" else None
    expected = brute_force(**tensors, mask=mask, is_causal=extra == "causal")
    found = attention(*tensors.values(), mask, 0.0, extra == "causal")
    assert torch.equal(found.isnan(), expected.isnan())
    assert expected.isnan().any()
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-6, equal_nan=True)


def test_a_mask_that_is_not_a_number_stays_so():
    query, key, value = drawn()
    mask = torch.zeros(5, 5)
    mask[1] = math.nan
    mask[2, :3] = -math.inf
    found, expected = attention(query, key, value, mask), brute_force(query, key, value, mask)
    assert torch.equal(found.isnan(), expected.isnan())
    assert found[:, :, 1].isnan().all()
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-6, equal_nan=True)


def test_images_beside_one_that_is_not_a_number_do_not_change_by_a_bit():
    query, key, value = drawn()
    sound = attention(query, key, value)
    assert torch.equal(sound, torch.nn.functional.scaled_dot_product_attention(query, key, value))
    key[0] = math.nan
    assert torch.equal(attention(query, key, value)[1], sound[1])
