"""What a caller hands over as numbers, as tensors: of torch, of numpy, or lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hwsim.errors import HwsimError

if TYPE_CHECKING:
    from torch import Tensor


def tensor_of(values: Any, name: str) -> Tensor:
    """A tensor of torch with the same numbers, without a copy where none is needed.

    Args:
        values: a tensor, an array of numpy, or a list of numbers.
        name: what they are, for the error.

    Raises:
        HwsimError: if they are none of these.
    """
    import torch

    try:
        return torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(values).__name__
        raise HwsimError(f"The {name} must be a tensor of torch or an array of numpy, not {kind}.") from error


def labels_of(values: Any, images: int) -> Tensor:
    """Labels as a tensor (images,) of int64.

    Raises:
        HwsimError: if they are not one whole number from 0 for each image.
    """
    import torch

    labels = tensor_of(values, "labels").detach().cpu()
    whole = not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)
    if tuple(labels.shape) != (images,) or not whole:
        kind = str(labels.dtype).removeprefix("torch.")
        raise HwsimError(
            f"The labels must be {images:,} whole numbers, one for each image, not {kind} of shape "
            f"{tuple(labels.shape)}."
        )
    if labels.numel() and int(labels.min()) < 0:
        raise HwsimError(f"The labels must be numbers of classes from 0, not {int(labels.min())}.")
    return labels.long()
