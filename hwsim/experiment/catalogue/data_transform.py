"""From images as they are stored (unsigned bytes of any size) to the numbers that a network takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hwsim.errors import HwsimError, unknown

if TYPE_CHECKING:
    from torch import Tensor

INTERPOLATIONS = ("nearest", "bilinear", "bicubic")


@dataclass(frozen=True)
class Preprocess:
    """Resize, crop the centre, scale bytes to 0..1, subtract the mean and divide by the deviation.

    Attributes:
        mean: one number a channel, for images scaled to 0..1.
        std: as many, above 0.
        resize: pixels of the shorter side after resizing, or None to keep the size.
        crop: side of the centre square that is cut out, in pixels, or None to keep all.
        interpolation: "nearest", "bilinear" or "bicubic", the latter two with antialiasing.

    Raises:
        HwsimError: if the numbers do not belong together.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: int | None = None
    crop: int | None = None
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        if len(self.mean) not in (1, 3) or len(self.std) != len(self.mean):
            raise HwsimError(
                f"A preprocess needs a mean and a std for each of 1 or 3 channels, "
                f"not {len(self.mean)} and {len(self.std)}."
            )
        if not all(deviation > 0 for deviation in self.std):
            raise HwsimError(f"The std of a preprocess must be above 0, not {list(self.std)}.")
        if any(size is not None and size < 1 for size in (self.resize, self.crop)):
            raise HwsimError("The resize and crop of a preprocess are pixels, 1 or more.")
        if self.interpolation not in INTERPOLATIONS:
            raise unknown("interpolation", self.interpolation, INTERPOLATIONS)

    @classmethod
    def of_torchvision(cls, preset: Any) -> Preprocess:
        """The same steps as `weights.transforms()` of a torchvision classifier."""
        return cls(
            mean=tuple(preset.mean),
            std=tuple(preset.std),
            resize=preset.resize_size[0],
            crop=preset.crop_size[0],
            interpolation=preset.interpolation.value,
        )

    def __call__(self, images: Tensor) -> Tensor:
        """Float images (..., C, H, W) from uint8 ones.

        Grey images are repeated for a network of three channels; colour images are turned to grey
        (ITU-R 601 luma) for a network of one.
        """
        import torch
        from torchvision.transforms.v2 import functional

        if images.dtype != torch.uint8 or images.ndim < 3 or images.shape[-3] not in (1, 3):
            raise HwsimError(
                f"A preprocess takes images of dtype uint8 and shape (..., 1 or 3, height, width), "
                f"not of {images.dtype} and {tuple(images.shape)}."
            )
        if self.resize is not None:
            each = [self._resized(image, [self.resize]) for image in images.reshape(-1, *images.shape[-3:])]
            images = torch.stack(each).reshape(*images.shape[:-3], *each[0].shape)
        if self.crop is not None:
            images = functional.center_crop(images, [self.crop])
        return self.normalised(images)

    def cut(self, image: Tensor, top: int, left: int, side: int, mirrored: bool, size: int) -> Tensor:
        """One square of a uint8 image (C, H, W), resized to `size` x `size`, normalised, mirrored or not."""
        part = self._resized(image[:, top : top + side, left : left + side], [size, size])
        return self.normalised(part.flip(-1) if mirrored else part)

    def _resized(self, image: Tensor, size: list[int]) -> Tensor:
        """By Pillow, as training pipelines do: it gives the same bytes on every processor, tensors do not."""
        from torchvision.transforms.v2 import InterpolationMode, functional

        mode = InterpolationMode(self.interpolation)
        return functional.pil_to_tensor(functional.resize(functional.to_pil_image(image), size, mode))

    def normalised(self, images: Tensor) -> Tensor:
        """Uint8 images as float ones, with the mean taken off and divided by the deviation."""
        import torch
        from torchvision.transforms.v2 import functional

        channels = len(self.mean)
        if images.shape[-3] != channels:
            convert = functional.rgb_to_grayscale if channels == 1 else functional.grayscale_to_rgb
            images = convert(images)
        mean = torch.tensor(self.mean).view(-1, 1, 1)
        return (images / 255 - mean) / torch.tensor(self.std).view(-1, 1, 1)
