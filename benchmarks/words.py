"""Encoding and decoding the weights of ResNet18, against plain copies of the array.

    python -m benchmarks.words [--formats fp16 q2.5 ...] [--rounds 9]

The number to hold: at most ten copies.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.timing import Case, milliseconds, table, take_turns
from hwsim.words import format_names, get_format

WEIGHTS = 11_678_912  # of ResNet18's convolutions and classifier


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formats", nargs="+", default=[*format_names(), "q8.12"])
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    weights = (np.random.default_rng(0).standard_normal(WEIGHTS) * 0.05).astype(np.float32)
    cases = [Case("copy", lambda _: weights.copy())]
    for name in options.formats:
        fmt = get_format(name)
        words = fmt.encode(weights)
        cases.append(Case(f"{name} encode", lambda _, fmt=fmt: fmt.encode(weights)))
        cases.append(Case(f"{name} decode", lambda _, fmt=fmt, words=words: fmt.decode(words)))
    take_turns(cases, options.rounds)
    reference = cases[0].median
    rows = [
        (c.name, milliseconds(c.median), *map(milliseconds, c.spread), f"{c.median / reference:.1f}") for c in cases
    ]
    print(table(("", "median ms", "quartiles", "", "copies"), rows))


if __name__ == "__main__":
    main()
