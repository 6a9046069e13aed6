"""Inputs that are nearly right: each ends in a result or in one short sentence, never in anything else.

    python -m tests.fuzz --cases 20000 --seed 1

Scenarios and settings are made from the settings' own models, so that a setting that is added is tried too. Case n of
a seed is the same on every machine: `--only n` runs it alone.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import datetime
import io
import random
import re
import signal
import sys
import tempfile
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import tomlkit
from pydantic import BaseModel

from hwsim.constants.units import _ALIASES, _FIXED, _PREFIXES, _SCALABLE, quantity
from hwsim.errors import LONGEST_MESSAGE, HwsimError
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.scenario.scenario import Scenario
from hwsim.experiment.scenario.settings import keys_of, must, nested_model
from hwsim.library import scenario_library
from hwsim.memory.fault_maps.fault_map import FaultMap
from hwsim.memory.technology.constants import technologies, technology
from hwsim.words import describe, format_names
from tests.fuzz_runs import made_scenario, run_to_its_end

LIMIT_S = 20  # for one case
RUN_S = 5  # for a scenario that is run: a longer one is no fault

DEEP: list[Any] = []
for _ in range(2000):
    DEEP = [DEEP]

STRANGE: list[Any] = [
    0, -1, 1, 2, 3, 7, 64, 2**31, 2**63 - 1, 2**63, 10**16, 10**40, 10**400, 10**5000, True, False, None,
    0.0, -0.0, 0.5, 1.0, 1.5, -1e-9, 1e-300, 5e-324, 1e308, -1e308, float("inf"), float("-inf"), float("nan"),
    "", " ", "x", "x" * 300, "x" * 5000, "²", "٣", "1²", "1_0", "\0", "\x1b[31m", "a\nb", "[/x]", "[red]abc",
    r"$\frac$", "~nosuchuser", "/dev/zero", "/", ".", "..", "0x1", "1e999", "1e999 s", "1 s^99999", "9" * 5000,
    "-1 s", "0 s", "1 year", "1e308 year", "300 K", "-300 degC", "1e308 V", "1 MiB", "1 bit", "16 GiB", "none",
    "default", "\ud800", "é" * 90, [], [[]], [0], [1, 2], ["x"], [None], {}, {"x": 1}, {"": {}}, {"name": "x"}, [{}],
    DEEP, [0.5] * 3, list(range(200)), datetime.date(2000, 1, 1), datetime.datetime(2000, 1, 1), datetime.time(1),
]  # fmt: skip


class TookTooLongError(Exception):
    """A case did not end."""


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Ends what takes too long."""

    def stop(*_: object) -> None:
        raise TookTooLongError(f"more than {seconds} s")

    before, left = signal.signal(signal.SIGALRM, stop), signal.alarm(seconds)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.alarm(left)


class Maker:
    """Makes values of a random generator, most of them right or nearly so."""

    def __init__(self, random: random.Random, folder: Path) -> None:
        self.random, self.folder = random, folder

    def strange(self) -> Any:
        return copy.copy(self.random.choice(STRANGE))

    def text_of(self, words: str) -> str:
        """One of the examples that an explanation gives in quotes, or of the words that hwsim knows."""
        known = [*re.findall(r"'([^']+)'", words), *format_names(), "secded", "none", "lenet5", *technologies()]
        return self.random.choice(known)

    def value(self, annotation: Any, words: str) -> Any:
        """A value of an annotation."""
        choose, origin, parts = self.random, get_origin(annotation), get_args(annotation)
        if choose.random() < 0.08:
            return self.strange()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return self.table(annotation)
        if origin is Literal:
            return choose.choice(parts)
        if origin in (Union, types.UnionType):
            return self.value(choose.choice(parts), words)
        if origin is tuple:
            some = [self.value(parts[0], words) for _ in range(choose.choice((0, 1, 1, 2, 3)))]
            return some[0] if some and choose.random() < 0.3 else some
        if origin is dict:
            names = [constant.name for constant in technology(choose.choice(technologies()))]
            return {choose.choice(names): choose.choice((1, 0.5, 1e308, "8 ns", "0.6 V", [1, 2], self.strange()))}
        if parts:  # Annotated
            return self.value(parts[0], words)
        if annotation is bool:
            return choose.random() < 0.5
        if annotation is int:
            return choose.choice((0, 1, 2, 8, 64, 1000, 10**6, 10**12, 2**62))
        if annotation is float:
            return choose.choice((0.0, 1.0, 0.5, 1e-4, 10 ** choose.uniform(-320, 308), 3))
        return self.text_of(words) if choose.random() < 0.8 else self.strange()

    def table(self, model: type[BaseModel]) -> dict[str, Any]:
        """A table with all keys that it must have, and some of the others."""
        made = {}
        for key, field in keys_of(model).items():
            if field.is_required() or self.random.random() < 0.25:
                annotation = field.rebuild_annotation()
                made[key] = self.value(annotation, f"{must(field)} {field.description}")
        return made

    def places(self, model: type[BaseModel], before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        """Every key, with the tables that it stands in."""
        for key, field in keys_of(model).items():
            yield (*before, key)
            inner = nested_model(field)
            if inner is not None:
                yield from self.places(inner, (*before, key))

    def at(self, place: tuple[str, ...]) -> Any:
        """A value for the key at a place."""
        model: type[BaseModel] = Scenario
        for key in place[:-1]:
            model = nested_model(keys_of(model)[key]) or model
        field = keys_of(model)[place[-1]]
        return self.value(field.rebuild_annotation(), f"{must(field)} {field.description}")

    def scenario(self) -> dict[str, Any]:
        """A shipped scenario or a made one, with a few values changed."""
        if self.random.random() < 0.3:
            data: Any = self.table(Scenario)
            data |= {"name": "x", "network": {"name": "lenet5"}}
        else:
            path = self.random.choice(list(scenario_library().values()))
            data = tomlkit.parse(path.read_text("utf-8")).unwrap()
        places = list(self.places(Scenario))
        for _ in range(self.random.randint(0, 3)):
            place = self.random.choice(places)
            node: Any = data
            for key in place[:-1]:
                node = node.setdefault(key, {}) if isinstance(node, dict) else node[0] if node else None
                if not isinstance(node, dict | list):
                    break
            if isinstance(node, list) and node:
                node = node[0]
            if isinstance(node, dict):
                node[self.random.choice(("x", place[-1])) if self.random.random() < 0.05 else place[-1]] = self.at(
                    place
                )
        return data

    def mutated(self, text: str) -> str:
        """A text with some of its characters left out, doubled, or replaced."""
        parts = [
            "²",
            "9" * 5000,
            "[",
            "]",
            "{",
            "=",
            '"',
            "'",
            "\n",
            ",",
            "-",
            ".",
            "#",
            "\0",
            "e",
            "1",
            "x",
            " ",
            "inf",
        ]
        for _ in range(self.random.choice((0, 1, 1, 2, 4))):
            at = self.random.randrange(len(text) + 1)
            end = min(len(text), at + self.random.choice((0, 1, 1, 5)))
            text = text[:at] + self.random.choice((*parts, text[at:end] * self.random.choice((2, 2000)))) + text[end:]
        return text

    def bytes(self, content: bytes) -> bytes:
        """Bytes with some of them changed, or cut."""
        changed = bytearray(content)
        for _ in range(self.random.choice((0, 1, 3))):
            changed[self.random.randrange(len(changed))] = self.random.randrange(256)
        return bytes(changed if self.random.random() < 0.7 else changed[: self.random.randrange(len(changed))])


def scenario_mapping(make: Maker) -> None:
    """A mapping, as from Python."""
    load_scenario(make.scenario())


def scenario_file(make: Maker) -> None:
    """The same as a file with typing errors."""
    data = make.scenario()
    try:
        text = tomlkit.dumps(data)
    except (ValueError, TypeError, RecursionError, AttributeError):  # not everything can be written as TOML
        text = tomlkit.dumps({"name": "x", "memory": {"format": "fp32"}})
    path = make.folder / "x.toml"
    path.write_bytes(make.bytes(make.mutated(text).encode("utf-8", "replace")))
    load_scenario(path)


def setting(make: Maker) -> None:
    """`--set` over a shipped scenario."""
    choose = make.random
    place = ".".join(choose.choice(list(make.places(Scenario))))
    place = choose.choice((place, place.replace("variants", "variants.0"), place.replace("variants", "variants.²")))
    try:
        value = str(
            make.at(tuple(place.replace("variants.0", "variants").replace("variants.²", "variants").split(".")))
        )
    except (ValueError, RecursionError):
        value = "9" * 5000
    text = f"{place}={value}"
    name = choose.choice(list(scenario_library()))
    load_scenario(name, [make.mutated(text) if choose.random() < 0.5 else text])


def unit(make: Maker) -> None:
    """A quantity."""
    choose = make.random
    names = [*_SCALABLE, *_FIXED, *_ALIASES]
    factors = [f"{choose.choice(['', *_PREFIXES])}{choose.choice(names)}" for _ in range(choose.choice((1, 1, 2, 3)))]
    given = "".join(f"{choose.choice(['*', '/', ' ', '^2 ', '^-3/', '^999 '])}{factor}" for factor in factors)[1:]
    number = choose.choice(["1", "-2.5", "1e308", "1e-320", f"{10 ** choose.uniform(-300, 300)}", "9" * 400, ".5"])
    quantity(
        make.mutated(f"{number} {given}"), choose.choice(["s", "degC", "V", "B", "1", "FIT/Mb", choose.choice(names)])
    )


def word(make: Maker) -> None:
    """A word of `hwsim word`."""
    choose = make.random
    value = choose.choice(["0.1", "-inf", "0x3d", "0b101", "nan", "1e999", f"{choose.uniform(-9, 9)}", make.strange()])
    fmt = choose.choice([*format_names(), "q3.4", "q0.31_sm", "q31.31"])
    if isinstance(value, str) and choose.random() < 0.6:
        value = make.mutated(value)
    str(describe(value, make.mutated(fmt) if choose.random() < 0.3 else fmt, choose.choice([(), (0,), (7, 1), (99,)])))


def fault_map(make: Maker) -> None:
    """A file of a fault map."""
    choose = make.random
    sizes = {"bank": choose.choice((1, 8, 10**9)), "row": choose.choice((4, 4096, 10**9)), "column": 64}
    facts = ["# technology sram", "# threshold V, fails below", "# condition t = 25 degC"]
    names = choose.choice(["bank,row,column,fails", "cell,fails", "cell,fails,threshold", "cell,bank,row,column,fails"])
    lines = [
        "# hwsim fault map, version 1",
        f"# geometry banks={sizes['bank']} rows={sizes['row']} columns=64 word_cells=16",
        *choose.sample(facts, choose.randrange(4)),
        names,
    ]
    known = {name: [0, size - 1, choose.randrange(size)] for name, size in sizes.items()}
    known |= {"cell": [0, 1, 10**6], "fails": [0, 1, "flip"], "threshold": [0.5, 1e-3, "inf"]}
    for _ in range(choose.randrange(4)):
        lines.append(",".join(str(choose.choice(known[name])) for name in names.split(",")))
    path = make.folder / "map.csv"
    path.write_bytes(make.bytes(make.mutated("\n".join(lines)).encode("utf-8", "replace")))
    FaultMap.from_csv(path)


def weights(make: Maker) -> None:
    """A file of weights for a small network."""
    import torch
    from safetensors.torch import save

    from hwsim.experiment.catalogue.catalogue_weights import fit, read_state_dict

    choose = make.random
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    state: dict[Any, Any] = module.state_dict()
    odd: list[Callable[[], Any]] = [
        lambda: torch.empty(2, 3, device="meta"), lambda: torch.eye(2).to_sparse(), lambda: torch.ones(2, 3) * 1j,
        lambda: torch.ones(1).expand(10**6, 10**6), lambda: torch.full((2, 3), float("nan")),
        lambda: torch.ones(2), lambda: torch.ones(2, 3, dtype=torch.int8), lambda: torch.ones(2, 3).double(),
        lambda: [1, 2], lambda: -torch.ones(2), lambda: torch.ones(()), lambda: torch.ones(0),
        lambda: torch.quantize_per_tensor(torch.ones(2, 3), 1.0, 0, torch.qint8),
    ]  # fmt: skip
    for _ in range(choose.choice((0, 0, 1, 2))):
        state[choose.choice([*map(str, state), "x", 5, "x" * 5000])] = choose.choice(odd)()
    path = make.folder / f"w{choose.choice(['.pt', '.pth', '.safetensors'])}"
    content = io.BytesIO()
    try:
        content.write(save(state)) if path.suffix == ".safetensors" else torch.save(
            choose.choice([state, {"state_dict": state}, {"model": state}, [state], state]), content
        )
    except Exception:  # not everything can be saved
        torch.save(module.state_dict(), content)
    path.write_bytes(make.bytes(content.getvalue()) if choose.random() < 0.5 else content.getvalue())
    fit(module, read_state_dict(path), "it", path)


def technology_table(make: Maker) -> None:
    """A technology's own table, and constants that are changed."""
    choose = make.random
    known = technology(choose.choice([name for name in technologies() if "/" not in name]))
    changes = {
        choose.choice([*known]).name: choose.choice((0, 1, 1e308, "8 ns", [1, 2], make.strange())) for _ in range(2)
    }
    if choose.random() < 0.5:
        known.override(changes)
        return
    table: dict[Any, Any] = {"based_on": known.name, "constants": changes, "geometry": {"banks": 2}}
    entry = {"value": 1, "unit": "s", "source": "x", "trust": "assumed"}
    for _ in range(choose.randrange(3)):
        key = choose.choice(
            ["name", "title", "note", "mechanisms", "based_on", "constants", "geometry", "access", "variants"]
        )
        table[key] = choose.choice([make.strange(), {"delta": entry}, {"delta": {**entry, "unit": make.strange()}}])
    technology(table)


def accepted(make: Maker) -> None:
    """A scenario that is run to its end, or for a few seconds."""
    with contextlib.suppress(TookTooLongError), limited(RUN_S):
        run_to_its_end(made_scenario(make.random), make.folder / "run")


KINDS: tuple[Callable[[Maker], None], ...] = (
    scenario_mapping, scenario_mapping, scenario_file, setting, setting, unit, word, fault_map, weights,
    technology_table,
)  # fmt: skip


def run(
    seed: int, number: int, folder: Path, kinds: tuple[Callable[[Maker], None], ...] = (*KINDS, accepted)
) -> str | None:
    """Runs a case. What was wrong, or None if it ended in a result or in one short sentence."""
    chosen = random.Random(f"{seed}, case {number}")
    kind = chosen.choice(kinds)
    try:
        with limited(LIMIT_S), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", RuntimeWarning)
            kind(Maker(chosen, folder))
    except HwsimError as error:
        said = str(error)
        if len(said) > LONGEST_MESSAGE or "\n" in said.strip() or not said.strip():
            return f"{kind.__name__}: a message of {len(said)} characters: {said!r:.400}"
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "/hwsim/" in frame.filename] or frames
        where = f"{Path(own[-1].filename).name} {own[-1].lineno}"
        return f"{kind.__name__}: {where}: {type(error).__name__}: {str(error)!r:.200}"
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="run one case, and show its traceback")
    chosen = parser.parse_args()
    numbers = range(chosen.cases) if chosen.only is None else [chosen.only]
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            found = run(chosen.seed, number, Path(folder))
            if found:
                wrong += 1
                print(f"case {number}: {found}", flush=True)
    print(f"{len(numbers):,} cases of seed {chosen.seed}: {wrong} ended in neither a result nor a short sentence.")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
