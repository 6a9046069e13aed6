"""One whole trial against the plain eager forward pass of the same network on the same images.

    python -m benchmarks.trial [--networks resnet18 ...] [--images 16] [--ber 1e-4] [--rounds 9]

A trial draws the faults, reads the faulty words, decodes and guards them, divides, runs the network and counts.
Encoding the words and building the accelerator are done once for all trials of a scenario, and not timed here.
The numbers to hold: at most 0.75 of the eager pass; memory on top of the network at most twice the stored words.
"""

from __future__ import annotations

import argparse

import torch
import torchvision
from torch import Tensor

from benchmarks.timing import Case, milliseconds, table, take_turns
from hwsim.datapath import Accelerator
from hwsim.hardening import Scaling, harden
from hwsim.memory import BitFlips, Memory
from hwsim.network import Network, capture


def main() -> None:
    """Measures and prints one table for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["resnet18", "mobilenet_v2", "squeezenet1_1"])
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--ber", type=float, default=1e-4)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    images = torch.randn(options.images, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    print(f"{options.images} images, BER {options.ber:g}, {torch.get_num_threads()} threads")
    for name in options.networks:
        torch.manual_seed(0)
        module = torchvision.models.get_model(name, weights=None).eval()
        network = capture(module, images)
        cases = [Case("eager forward pass", torch.inference_mode()(lambda _: module(images)))]  # noqa: B023
        for label, graph in (("BatchNorm folded", network.fold_batchnorm()), ("as trained", network)):
            for way in ("per_weight", "per_layer", "logits", "absorbed"):
                cases.append(trial(f"trial, {label}, {way}", graph, images, way, options.ber))
        take_turns(cases, options.rounds)
        reference = cases[0].median
        rows = [
            (c.name, milliseconds(c.median), *map(milliseconds, c.spread), f"{c.median / reference:.2f}") for c in cases
        ]
        print(f"\n{name}\n" + table(("", "median ms", "quartiles", "", "of eager"), rows))


def trial(name: str, network: Network, images: Tensor, way: str, ber: float) -> Case:
    """A trial with a fault map of its own each time."""
    stored = harden(network, "fp32", Scaling())
    memory = Memory(stored.words, stored.format)
    mechanism = BitFlips(ber, immune=stored.format.bit_mask("exponent_msb"))
    accelerator = Accelerator(stored, way)
    seeds = iter(range(10**9))
    return Case(name, lambda _: accelerator.run(images, mechanism.draw(memory, seed=next(seeds))))


if __name__ == "__main__":
    main()
