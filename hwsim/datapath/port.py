"""The read port: words from memory -> what the datapath computes with.

What a memory gives is what was written to it but for its faults. So all words are decoded (and, with `per_weight`,
divided) once, when the port is made, and then only those that a memory gives wrong, after a look whether it is a memory
that was written with these words; the sound values are put back exactly when the faults are taken away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hwsim.datapath.arithmetic.fp32 import loaded
from hwsim.datapath.config import DatapathConfig
from hwsim.datapath.counts import Tally
from hwsim.datapath.plan import Plan
from hwsim.errors import HwsimError
from hwsim.hardening import Guards, Hardened
from hwsim.hardening.scaling import quotient
from hwsim.memory import Faults, Layout
from hwsim.memory.cells.memory import Region, checksum
from hwsim.memory.ecc import Code
from hwsim.network.graph import storable


class ReadPort:
    """The network's parameters as the datapath sees them.

    Attributes:
        cells: parameter name -> cells that one read of it takes from the memory: all those of every codeword that holds
            any of its words.
        comparisons: that guards make with each word read.
        tensors: parameter name -> FP32 tensor; convolution weights have channels-last memory, as the images have.

    Raises:
        HwsimError: if a guard would change a word as stored.
    """

    def __init__(
        self,
        hardened: Hardened,
        plan: Plan,
        guards: Guards,
        config: DatapathConfig,
    ) -> None:
        network, code = hardened.network, config.code
        self._hardened, self._guards, self._divider = hardened, guards, config.divider
        self._divided = {
            name
            for name, constants in hardened.constants.items()
            if not constants.all_one and (plan.divide_words or name in network.biases)
        }
        self._reader = {
            name: op.name for op in reversed(network.operations) for name in [storable(op)] if name is not None
        }
        self._layout = Layout.of(hardened.words, hardened.format)
        self.cells = {region.name: _cells(region, self._layout.format.width, code) for region in self._layout.regions}
        self._checksum = checksum(hardened.words.values())
        self.comparisons = guards.comparisons
        self._limits: dict[str, float] = {}
        self._values: dict[str, NDArray[np.float32]] = {}  # of each tensor, in the order in which it lies in `tensors`
        self.tensors: dict[str, Tensor] = {}
        for name, parameter in network.parameters.items():
            self.tensors[name] = self._load(name, parameter)

    def divides(self, name: str) -> bool:
        """Whether the words of a stored parameter are divided when read: weights with `per_weight`, biases always."""
        return name in self._divided

    def _load(self, name: str, parameter: Tensor) -> Tensor:
        words = self._hardened.words.get(name)
        if words is None:
            return loaded(parameter)
        self._guards.check(name, words, self._hardened.format)
        values = self._hardened.format.decode(words)
        self._limits[name] = float(np.abs(values).max(initial=0.0))
        if self.divides(name):
            values = quotient(values, self._hardened.constants[name].spread(words.shape), self._divider)
        if values.ndim == 4:
            values = values.transpose(0, 2, 3, 1)
        values = np.ascontiguousarray(values)
        self._values[name] = values.reshape(-1)
        tensor = torch.from_numpy(values)
        return tensor.permute(0, 3, 1, 2) if tensor.dim() == 4 else tensor

    @contextmanager
    def reading(self, faults: Faults | None, tally: Tally) -> Iterator[None]:
        """The faulty words in place of the sound ones, for as long as the context lasts.

        Raises:
            HwsimError: for faults of a memory that does not hold the words of this port.
        """
        if faults is not None:
            faults.require(self._layout, self._checksum)
        undo = []
        try:
            for region, index, before, after in faults.by_region() if faults is not None else ():
                name, shape = region.name, region.shape
                self._check_stored(name, index, before)
                values, guarded = self._guards.read(after, self._limits[name], self._hardened.format)
                if guarded:
                    tally.of(self._reader[name]).guarded_words += guarded
                if self.divides(name):
                    values = quotient(values, self._hardened.constants[name].at(index, shape), self._divider)
                tensor, where = self._values[name], _channels_last(index, shape)
                undo.append((tensor, where, tensor[where]))
                tensor[where] = values
            yield
        finally:
            for tensor, where, sound in undo:
                tensor[where] = sound

    def _check_stored(self, name: str, index: NDArray[np.int64], before: NDArray[Any]) -> None:
        """Check that the words with these row-major indices are as they were before their faults.

        Raises:
            HwsimError: otherwise.
        """
        stored = self._hardened.words[name].reshape(-1)[index]
        if (stored == before).all():
            return
        at = int((stored != before).argmax())
        raise HwsimError(
            f"These faults belong to another memory: word {index[at]} of {name} was {before[at]:#x} before them, where "
            f"{stored[at]:#x} is stored; draw them on a memory that holds what was written, without other faults."
        )


def _cells(region: Region, width: int, code: Code | None) -> int:
    """Cells of the codewords that hold a tensor's words of `width` bits; neighbours in memory share a codeword."""
    if code is None:
        return (region.end - region.first_word) * width
    words = code.data_bits // width
    return (-(-region.end // words) - region.first_word // words) * code.cells


def _channels_last(index: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Where elements with these row-major indices lie in memory: channels last if there are four axes."""
    if len(shape) != 4:
        return index
    pixels = shape[2] * shape[3]
    if pixels == 1:
        return index
    outer, rest = np.divmod(index, shape[1] * pixels)
    channel, pixel = np.divmod(rest, pixels)
    return (outer * pixels + pixel) * shape[1] + channel
