"""LeNet-5 as it is drawn today: two convolutions with max pooling and ReLU, three linear layers."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def build() -> nn.Module:
    """The network with PyTorch's initial weights (LeCun et al. 1998, fig. 2; ReLU for its sigmoids)."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 6, 5, padding=2),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(6, 16, 5),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(16 * 5 * 5, 120),
            relu3=nn.ReLU(),
            fc2=nn.Linear(120, 84),
            relu4=nn.ReLU(),
            fc3=nn.Linear(84, 10),
        )
    )
