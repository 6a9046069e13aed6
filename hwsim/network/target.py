"""Tensor operations by name, so that a graph holds no function and can be sent to another process."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, reduce
from typing import Any

import torch


@dataclass(frozen=True)
class Target:
    """A function that tensors, or sizes, are given to, by its name; called, it is that function.

    Attributes:
        name: "aten.relu.default" for an overload of `torch.ops`; "module:function" for a function of a module.
    """

    name: str

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Target:
        """The name of a `torch.ops` overload, or of a function at the top of a module."""
        if isinstance(function, Target):
            return function
        if isinstance(function, torch._ops.OpOverload):
            return cls(str(function))
        return cls(f"{function.__module__}:{function.__qualname__}")

    @property
    def function(self) -> Callable[..., Any]:
        """What it names.

        Raises:
            AttributeError, ModuleNotFoundError: if there is no such function in this process, such as an operation
                that a user registered in another one.
        """
        return _found(self.name)

    @property
    def packet(self) -> str:
        """The operation without its library and overload: "relu"."""
        return self.name.split(":")[-1] if ":" in self.name else self.name.split(".")[-2]

    def __call__(self, *args: Any, **options: Any) -> Any:
        return _found(self.name)(*args, **options)

    def __str__(self) -> str:
        return self.name.removeprefix("_").replace(":", ".")


@cache
def _found(name: str) -> Callable[..., Any]:
    module, _, function = name.rpartition(":")
    home: Any = importlib.import_module(module) if module else torch.ops
    return reduce(getattr, function.split("."), home)
