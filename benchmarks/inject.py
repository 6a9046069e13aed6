"""Independent bit flips into all FP32 weights of ResNet18: hwsim, and what one would do instead.

    python -m benchmarks.inject [--ber 1e-5 1e-4 ...] [--rounds 21] [--longest 30]

Every method flips each bit of the 11,678,912 weights with the probability BER, with new positions every time,
and then restores them. The table also says how many bits each one flipped, against the expected number.
MRFI and PyTorchFI come with `pip install 'hwsim[bench]'`; a missing one is left out, and said so.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import logging
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torchvision

from benchmarks.timing import Case, milliseconds, table, take_turns
from hwsim.memory import BitFlips, Memory
from hwsim.words import get_format

FORMAT = get_format("fp32")
Methods = list[tuple[Case, Callable[[], int] | None]]  # a method, and how many bits a run of it flips


def main() -> None:
    """Measures and prints one table for each error rate, then the ratios that the design asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ber", type=float, nargs="+", default=[1e-5, 1e-4, 1e-3, 1e-2])
    parser.add_argument("--rounds", type=int, default=21, help="repetitions of the quick methods")
    parser.add_argument("--longest", type=float, default=30.0, help="seconds that one run of a method may take")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # MRFI warns of each selection above 10 % of a tensor

    torch.manual_seed(0)
    torch.set_num_threads(1)  # for a like comparison: hwsim uses one
    network = torchvision.models.resnet18(weights=None).eval().requires_grad_(False)
    memory = Memory({name: FORMAT.encode(layer.weight.numpy()) for name, layer in weighted_layers(network)}, FORMAT)
    print(f"{memory}; every method has one thread.")
    peers: list[MRFI | PyTorchFI] = [MRFI(network), PyTorchFI(network)]
    for peer in peers:
        if not peer.installed:
            print(f"{peer.name} is not measured: it is not installed (pip install '{peer.requirement}').")

    summary = []
    for ber in options.ber:
        ours, others = hwsim_methods(memory, ber), [*bare_methods(memory, ber), dense_method(memory, ber)]
        left_out = []
        for peer in peers:
            if not peer.installed:
                continue
            expected = peer.seconds_per_flip * ber * memory.cells
            if expected > options.longest:
                left_out.append(f"{peer.name} would take about {expected:.0f} s: more than --longest, not run.")
            else:
                others.append(peer.method(memory, ber))
        take_turns([case for case, _ in ours + others], options.rounds)
        for peer in peers:
            for case, _ in others:
                if case.name.startswith(peer.name):
                    peer.seconds_per_flip = case.median / (ber * memory.cells)
        print(f"\nBER {ber:g}, {ber * memory.cells:,.0f} flips expected")
        print(report(ours + others, ber * memory.cells))
        for sentence in left_out:
            print(sentence)
        summary.append((f"{ber:g}", *ratios({case.name: case.median for case, _ in ours + others})))

    print("\nRatios of medians: peers and the dense way against hwsim's draw, flip, undo (they restore too);")
    print("hwsim's draw, flip against the bare scatters, which neither draw nor restore")
    header = ("BER", "dense / hwsim", "MRFI / hwsim", "PyTorchFI / hwsim", "hwsim / words[i] ^= mask", "hwsim / xor.at")
    print(table(header, summary))


def ratios(medians: dict[str, float]) -> list[str]:
    """The last table's row from the median seconds by method; a dash for what was not run."""

    def time_of(start: str) -> float | None:
        return next((seconds for name, seconds in medians.items() if name.startswith(start)), None)

    pairs = [(peer, "hwsim: draw, flip, undo") for peer in ("dense torch", "MRFI", "PyTorchFI")]
    pairs += [("hwsim: draw, flip", bare) for bare in ("bare scatter: words", "bare scatter: bitwise_xor.at")]
    row = []
    for one, other in pairs:
        first = medians.get(one) or time_of(one)
        second = medians.get(other) or time_of(other)
        row.append(f"{first / second:,.2f}" if first and second else "-")
    return row


def report(methods: Methods, expected: float) -> str:
    """The table of one error rate. The first method is the one to which the others are compared."""
    rows = []
    reference = methods[0][0].median
    for case, flips in methods:
        low, high = case.spread
        share = f"{flips() / expected:.3f}" if flips else ""
        times = (milliseconds(case.median), f"{milliseconds(low)} .. {milliseconds(high)}")
        rows.append((case.name, *times, f"{case.median / reference:,.2f}", share))
    return table(("method", "median ms", "quartiles ms", "x hwsim", "flips / expected"), rows)


def hwsim_methods(memory: Memory, ber: float) -> Methods:
    """Ours: bare masks, as an injection needs them, and the `Faults` that know the words before and after."""
    mechanism, seed = BitFlips(ber), itertools.count()
    flipped: list[tuple[np.ndarray, np.ndarray]] = []

    def flip(_: object = None) -> None:
        address, mask = mechanism.masks(memory, next(seed))
        memory.flat[address] ^= mask
        flipped.append((address, mask))

    def undo(_: object = None) -> None:
        for address, mask in flipped:
            memory.flat[address] ^= mask
        flipped.clear()

    def flip_and_undo(_: object) -> None:
        flip()
        undo()

    def faults(_: object) -> None:
        drawn = mechanism.draw(memory, next(seed))
        drawn.apply(memory)
        drawn.undo(memory)

    return [
        (
            Case("hwsim: draw, flip, undo", flip_and_undo, prepare=undo),
            lambda: mechanism.draw(memory, next(seed)).flips,
        ),
        (Case("hwsim: draw, flip", flip, prepare=undo), None),
        (Case("hwsim: draw Faults, apply, undo", faults, prepare=undo), None),
    ]


def bare_methods(memory: Memory, ber: float) -> Methods:
    """The limit: positions fall from the sky, and are only flipped."""
    seed = itertools.count(10**6)
    words = memory.flat.copy()

    def positions() -> tuple[np.ndarray, np.ndarray]:
        return BitFlips(ber).masks(memory, next(seed))

    def cells() -> tuple[np.ndarray, np.ndarray]:
        address, mask = positions()
        row, bit = np.nonzero(mask[:, None] >> np.arange(32, dtype=np.uint32) & 1)
        return address[row], np.uint32(1) << bit.astype(np.uint32)

    def scatter(drawn: tuple[np.ndarray, np.ndarray]) -> None:
        address, mask = drawn
        words[address] ^= mask

    def scatter_at(drawn: tuple[np.ndarray, np.ndarray]) -> None:
        np.bitwise_xor.at(words, *drawn)

    return [
        (Case("bare scatter: words[i] ^= mask, each faulty word once", scatter, positions), None),
        (Case("bare scatter: bitwise_xor.at(words, i, bit), each flip", scatter_at, cells), None),
    ]


def dense_method(memory: Memory, ber: float) -> tuple[Case, Callable[[], int]]:
    """One random mask over all words for each bit position; restores from a copy."""
    clean = torch.from_numpy(memory.flat.view(np.int32)).clone()
    words, uniform = clean.clone(), torch.empty(clean.shape)

    def flip() -> None:
        for bit in range(32):
            torch.rand(uniform.shape, out=uniform)
            words[uniform < ber] ^= 1 << bit if bit < 31 else -(1 << 31)

    def run(_: object) -> None:
        flip()
        words.copy_(clean)

    def flips() -> int:
        flip()
        changed = popcount(words.numpy() ^ clean.numpy())
        words.copy_(clean)
        return changed

    return Case("dense torch: a random mask per bit position, restore", run, every=7), flips


class MRFI:
    """MRFI's weight injector: restores a tensor, then flips one bit in each selected weight.

    Its rate is per weight, so it gets the expected number of flips per weight, 32 BER.
    """

    name, requirement = "MRFI", "mrfi"

    def __init__(self, network: torch.nn.Module) -> None:
        self.network = network
        self.installed = importlib.util.find_spec("mrfi") is not None
        self.seconds_per_flip = 0.0

    def method(self, memory: Memory, ber: float) -> tuple[Case, Callable[[], int]]:
        """The work that MRFI's hooks do on the weights in each forward pass, and nothing else of it."""
        from copy import deepcopy

        from mrfi import mrfi

        config = mrfi.EasyConfig.load_preset("float_weight_fi")
        config.set_selector(0, {"rate": 32 * ber}, update_only=True)
        config.set_module_used(0, module_type=["Conv2d", "Linear"])
        injector = mrfi.MRFI(deepcopy(self.network), config)
        layers = [layer for _, layer in weighted_layers(injector.model)]
        clean = flat_weights(self.network)

        def run(_: object) -> None:
            for layer in layers:
                mrfi._pre_hook_func(layer.FI_config, layer, ())

        def flips() -> int:
            run(None)
            return popcount(flat_weights(injector.model) ^ clean)

        return Case("MRFI: restore, flip one bit per selected weight", run), flips


class PyTorchFI:
    """PyTorchFI's weight injector: copies the network, then visits one weight after the other.

    It flips no bits by itself: the function that does, and the locations, are given to it.
    """

    name, requirement = "PyTorchFI", "pytorchfi==0.6.0"

    def __init__(self, network: torch.nn.Module) -> None:
        self.network = network
        self.installed = importlib.util.find_spec("pytorchfi") is not None
        self.seconds_per_flip = 0.0

    def method(self, memory: Memory, ber: float) -> tuple[Case, Callable[[], int]]:
        """Drawing locations with numpy and one call of `declare_weight_fi`."""
        from pytorchfi.core import fault_injection

        kinds = [torch.nn.Conv2d, torch.nn.Linear]
        injector = fault_injection(self.network, 1, input_shape=[3, 224, 224], layer_types=kinds)
        shapes = [tuple(layer.weight.shape) for _, layer in weighted_layers(self.network)]
        clean = flat_weights(self.network)
        generator = np.random.default_rng(0)

        def inject() -> torch.nn.Module:
            locations: list[list[int | None]] = [[] for _ in range(5)]
            bits: list[int] = []
            for number, shape in enumerate(shapes):
                cells = 32 * int(np.prod(shape))
                drawn = generator.integers(0, cells, generator.binomial(cells, ber))
                indices = [axis.tolist() for axis in np.unravel_index(drawn // 32, shape)]
                indices += [[None] * len(drawn)] * (4 - len(shape))
                for column, values in zip(locations, [[number] * len(drawn), *indices], strict=True):
                    column.extend(values)
                bits += (drawn % 32).tolist()
            names = ("layer_num", "k", "dim1", "dim2", "dim3")
            function = flip_next(iter(bits))
            return injector.declare_weight_fi(function=function, **dict(zip(names, locations, strict=True)))

        def flips() -> int:
            return popcount(flat_weights(inject()) ^ clean)

        every = 7 if self.seconds_per_flip * ber * memory.cells < 3 else 21
        return Case("PyTorchFI: copy the network, flip bit by bit", lambda _: inject(), every=every), flips


def flip_next(bits: Iterator[int]) -> Callable[[torch.Tensor, tuple[int, ...]], float]:
    """A function for PyTorchFI that flips the next of `bits` in one weight."""

    def flip(weight: torch.Tensor, index: tuple[int, ...]) -> float:
        (word,) = struct.unpack("<I", struct.pack("<f", weight[index].item()))
        return struct.unpack("<f", struct.pack("<I", word ^ 1 << next(bits)))[0]

    return flip


def weighted_layers(network: torch.nn.Module) -> list[tuple[str, Any]]:
    """The layers whose weights are stored."""
    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    return [(name, layer) for name, layer in network.named_modules() if isinstance(layer, kinds)]


def flat_weights(network: torch.nn.Module) -> np.ndarray:
    """All weights as words."""
    weights = [layer.weight.detach().numpy().ravel() for _, layer in weighted_layers(network)]
    return np.concatenate(weights).view(np.uint32)


def popcount(words: np.ndarray) -> int:
    """Number of ones."""
    return int(np.bitwise_count(words.view(np.uint32)).sum(dtype=np.int64))


if __name__ == "__main__":
    main()
