"""From a network's weights to the words that a memory stores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import HwsimError, unknown
from hwsim.hardening.scaling import Constants, Scaling
from hwsim.network import Network
from hwsim.network.holdings import Whereabouts
from hwsim.tabular import Shown, Tabular
from hwsim.words import WordFormat, get_format

STORES = ("weights", "biases")
UNSCALED = Constants(np.ones(1), np.zeros(1, np.intp), per_channel=False)


@dataclass(frozen=True, repr=False)
class Hardened(Shown):
    """A network's parameters as stored words, with the constants that undo their scaling.

    Attributes:
        network: the network that they belong to.
        format: number format of the words.
        scaling: how they were scaled; None if they were not.
        words: parameter name -> words, in the parameter's shape. All else stays in safe memory.
        constants: parameter name -> scaling constants, for every stored parameter (all one if unscaled).
        clipped: parameter name -> number of values that saturated in the format.
    """

    network: Network
    format: WordFormat
    scaling: Scaling | None
    words: Mapping[str, NDArray[Any]]
    constants: Mapping[str, Constants]
    clipped: Mapping[str, int]

    @property
    def whereabouts(self) -> Whereabouts:
        """Which of the module's parameters lie in the memory under study, and which in safe memory."""
        return self.network.whereabouts(self.words)

    @property
    def constant_bits(self) -> int:
        """Safe memory that the scaling constants take, in bits."""
        return 0 if self.scaling is None else sum(constants.bits for constants in self.constants.values())

    @property
    def stored_bits(self) -> int:
        """Memory that the words take, in bits."""
        return sum(words.size for words in self.words.values()) * self.format.width

    def with_constants(self, constants: Mapping[str, Constants]) -> Hardened:
        """The same parameters stored again, some of them with other constants.

        Args:
            constants: parameter name -> its new constants; the others keep theirs.

        Raises:
            HwsimError: if there is no such stored parameter, or a value then leaves a floating-point format.
        """
        words, clipped = dict(self.words), dict(self.clipped)
        for name, chosen in constants.items():
            if name not in self.words:
                raise unknown("stored parameter", name, self.words)
            words[name], clipped[name] = _encode(name, _values(self.network, name), chosen, self.format)
        return replace(self, words=words, constants={**self.constants, **constants}, clipped=clipped)

    @property
    def summary(self) -> str:
        """How many words of which format, and how they are scaled."""
        how = "unscaled" if self.scaling is None else f"scaled to t = {self.scaling.target_in(self.format):g}"
        return f"{sum(words.size for words in self.words.values()):,} words of {self.format.name}, {how}"

    def _table(self) -> Tabular:
        """Each stored parameter with its constants, or the range of them, and how many values saturated."""
        heading = (
            f"{self.summary}; {self.constant_bits:,} bits of constants; {sum(self.clipped.values()):,} values clipped"
        )
        rows = []
        for name, words in self.words.items():
            c = self.constants[name].values
            shown = f"{c[0]:.6g}" if len(c) == 1 else f"{c.min():.6g} .. {c.max():.6g}"
            rows.append([name, f"{words.size:,}", shown, f"{self.clipped[name]:,}"])
        note = str(self.whereabouts) if self.network.holdings else ""
        return Tabular(heading, ("parameter", ">words", ">constant c", ">clipped"), rows, note)


def harden(
    network: Network,
    format: WordFormat | str,
    scaling: Scaling | None = None,
    store: Iterable[str] = ("weights",),
) -> Hardened:
    """Scale the parameters of `network` and encode them as words.

    Args:
        network: the captured network.
        format: number format of the words, or its name.
        scaling: None stores the values as they are.
        store: which parameters go to the faulty memory: "weights", "biases", or both. A bias has constants of
            its own and is divided whenever it is read.

    Raises:
        HwsimError: on an unknown format or store, a target above the range, a network without weights, or a
            parameter that is not finite or does not fit an (unscaled) floating-point format.
    """
    if not isinstance(network, Network):
        raise HwsimError(
            f"harden needs a captured network, not {type(network).__name__}: `hwsim.capture(module, images)` gives one."
        )
    fmt = get_format(format) if isinstance(format, str) else format
    chosen = tuple(store)
    for kind in chosen:
        if kind not in STORES:
            raise unknown("kind of parameter to store", kind, STORES)
    if not network.weights:
        raise HwsimError("The network has no weights to store: no convolution or matrix product reads a parameter.")
    names = storable_names(network, chosen)
    words, constants, clipped = {}, {}, {}
    for name in names:
        values = _values(network, name)
        if not np.isfinite(values).all():
            raise HwsimError(f"Parameter {name} holds NaN or infinite values: the network's weights are damaged.")
        constants[name] = scaling.constants(values, fmt) if scaling else UNSCALED
        words[name], clipped[name] = _encode(name, values, constants[name], fmt)
    return Hardened(network, fmt, scaling, words, constants, clipped)


def storable_names(network: Network, store: Iterable[str]) -> list[str]:
    """The parameters of a network that go to the faulty memory, given the kinds that do."""
    kinds = set(store)
    names = [name for name in network.weights if "weights" in kinds]
    return names + [name for name in network.parameters if name in network.biases and "biases" in kinds]


def _values(network: Network, name: str) -> NDArray[np.float32]:
    values: NDArray[np.float32] = network.parameters[name].detach().cpu().float().numpy()
    return values


def _encode(name: str, values: NDArray[np.float32], constants: Constants, fmt: WordFormat) -> tuple[NDArray[Any], int]:
    """The words of `values * c`, rounded once, and how many saturated."""
    if constants.all_one:
        scaled: NDArray[Any] = values
    else:
        scaled = values.astype(np.float64) * constants.spread(values.shape)
    words = fmt.encode(scaled)
    if fmt.is_floating:
        peak = np.abs(scaled).max(initial=0.0, keepdims=True)
        if not np.isfinite(fmt.decode(fmt.encode(peak))).all():
            raise HwsimError(
                f"Parameter {name} has a magnitude of {peak.item():g}, above the largest {fmt.name} value "
                f"{fmt.largest:g}: scale it, or choose a wider format."
            )
        return words, 0
    # Rounding to nearest errs by half a step at most; more than that is saturation.
    error = np.abs(fmt.decode(words, np.float64) - scaled)
    return words, int((error > 0.5 * fmt.smallest).sum())
