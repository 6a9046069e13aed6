"""ResNet-18 at a quarter of its width, for images of 28 x 28: torchvision's blocks and names."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock


class FashionResNet(nn.Module):
    """Four stages of two BasicBlocks, of 16, 32, 64 and 128 channels, behind a 3 x 3 stem of stride 2.

    The stem's stride stands for the stride and the pooling of the original stem, which would leave
    nothing of an image this small. Everything else is ResNet-18 (He et al. 2016, table 1).
    """

    def __init__(self, width: int = 16, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(width, width, stride=1)
        self.layer2 = _stage(width, 2 * width, stride=2)
        self.layer3 = _stage(2 * width, 4 * width, stride=2)
        self.layer4 = _stage(4 * width, 8 * width, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8 * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(images)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def _stage(channels_in: int, channels: int, stride: int) -> nn.Sequential:
    downsample = None
    if stride != 1 or channels_in != channels:
        downsample = nn.Sequential(
            nn.Conv2d(channels_in, channels, 1, stride=stride, bias=False), nn.BatchNorm2d(channels)
        )
    return nn.Sequential(BasicBlock(channels_in, channels, stride, downsample), BasicBlock(channels, channels))


def build() -> nn.Module:
    """The network with PyTorch's initial weights."""
    return FashionResNet()
