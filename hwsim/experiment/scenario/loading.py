"""From a scenario file and `--set` to a Scenario, and from a Scenario to the file saved with its results.

Whatever is wrong becomes one HwsimError that names the key as it is written in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import BaseModel, ValidationError

from hwsim.errors import HwsimError, cut, shown, unknown
from hwsim.experiment.scenario.resolve import resolve
from hwsim.experiment.scenario.scenario import UNUSED, UNUSED_IN_VARIANTS, Scenario
from hwsim.experiment.scenario.settings import WrongValueError, keys_of, must, nested_model
from hwsim.files import DEEPEST, NotTomlError, check_tables, kind_of, parse_toml, read_toml, user_path
from hwsim.library import scenario_library
from hwsim.numerals import whole

Place = tuple[str | int, ...]
_PLACE = 100  # characters of a file's name, or of what `--set` says, that a message repeats


def load_scenario(source: str | Path | Mapping[str, Any] | Scenario, settings: Iterable[str] = ()) -> Scenario:
    """A resolved scenario, with `settings` such as "memory.ber=1e-3" put over what the source says.

    Args:
        source: a file, the name of a scenario that comes with hwsim, a mapping, or a Scenario.
        settings: "key=value" with the value in TOML; a value that is not TOML is taken as text.

    Raises:
        HwsimError: if there is no such file, or anything in it is not as it must be.
    """
    if isinstance(source, Scenario):
        if list(settings):
            raise HwsimError("Settings cannot be put over a finished Scenario: give its file or a mapping.")
        return resolve(source)
    if isinstance(source, Mapping):
        data, where = dict(source), "the scenario"
    else:
        path = find_scenario(source)
        data, where = {"name": path.stem, **read_toml(path)}, cut(str(source), _PLACE)
    for text in settings:
        data = assign(data, text)
    check_tables(data, where)
    try:
        return resolve(Scenario.model_validate(data))
    except ValidationError as error:
        raise _sentence(error, where, data) from None


def find_scenario(source: str | Path) -> Path:
    """The file `source`, or the scenario of that name that comes with hwsim.

    Raises:
        HwsimError: if there is neither; a bare name gets the nearest one as a suggestion.
    """
    path = user_path(source)
    found, place = kind_of(path), cut(str(path), _PLACE)
    if found == "file":
        return path
    if found == "folder":
        raise HwsimError(f"{place} is a folder: name the scenario file in it.")
    shipped = scenario_library()
    if path.name in shipped:
        return shipped[path.name]
    if path.suffix == ".toml" and path.stem in shipped:
        raise HwsimError(f"There is no file {place}; `hwsim run {path.stem}` runs the one that comes with hwsim.")
    if path.suffix or len(path.parts) > 1:
        raise HwsimError(f"There is no scenario file {place}; `hwsim scenarios` lists those that come with hwsim.")
    raise unknown("scenario", str(source), shipped)


def assign(data: Mapping[str, Any], text: str) -> dict[str, Any]:
    """`data` with one "key=value" put in; an item of a list is chosen by number or by its `name`.

    Raises:
        HwsimError: if the text has no "=", or the key leads through something that is not a table.
    """
    where = f"--set {cut(text, _PLACE)}"
    key, equals, value = text.partition("=")
    key = key.strip()
    keys = key.split(".")
    if not equals or not all(keys) or len(keys) > DEEPEST:
        raise HwsimError(f"`{where}` is not a setting: write it as key=value, as in memory.ber=1e-3.")
    if key == "memory.format":
        key = "memory.formats"
    if key == "memory.formats" and isinstance(data.get("memory"), Mapping):
        data = {**data, "memory": {k: v for k, v in data["memory"].items() if k != "format"}}
    return _put(data, key.split("."), _value(value.strip(), where), where)


def _value(text: str, where: str) -> Any:
    """A value in TOML, or else the text itself."""
    try:
        tables = parse_toml(f"value = {text}", where)
    except NotTomlError:
        return text
    return tables["value"] if len(tables) == 1 else text  # a line break may begin another key


def _put(node: Any, keys: list[str], value: Any, where: str) -> Any:
    if not keys:
        return value
    head, rest = keys[0], keys[1:]
    if isinstance(node, Mapping):
        return {**node, head: _put(node.get(head, {}), rest, value, where)}
    if isinstance(node, list):
        names = [item.get("name", "") if isinstance(item, Mapping) else "" for item in node]
        at = names.index(head) if head in names else _item(head, len(node))
        if at >= len(node):
            raise HwsimError(f"`{where}`: there is no item {shown(head)} in a list of {len(node)}.")
        return [*node[:at], _put(node[at], rest, value, where), *node[at + 1 :]]
    raise HwsimError(f"`{where}`: {shown(node)} is a value and has no key {shown(head)}.")


def _item(text: str, items: int) -> int:
    """The item of a list that a number names; as many as there are if it names none."""
    return whole(text, "item") if text.isascii() and text.isdecimal() and len(text) <= len(str(items)) else items


def written(place: Place) -> str:
    """A place in the file as a person writes it: ("memory", "ber", 1) -> "memory.ber[1]"."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _sentence(error: ValidationError, where: str, data: Mapping[str, Any]) -> HwsimError:
    """The first thing that is wrong, as one sentence with its place and what would be right."""
    # A key that is not known may well be the reason why another one is missing.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    place = _in_file(first["loc"], data)
    key = written(place)
    cause = first.get("ctx", {}).get("error")
    kind = first["type"]
    if kind == "extra_forbidden":
        return unknown(f"key in {where}", key, _keys_beside(place))
    if kind == "missing":
        return HwsimError(f"`{key}` is missing in {where}: give {_must(place)}.")
    if isinstance(cause, HwsimError) or (kind == "value_error" and not isinstance(cause, WrongValueError)):
        text = str(cause) if str(cause)[-1] in ".?" else f"{cause}."
        return HwsimError(f"`{key}` in {where}: {text}" if key else f"In {where}: {text}")
    return HwsimError(f"`{key}` in {where} is {shown(first['input'])}: it must be {_must(place)}.")


def _in_file(place: Place, data: Any) -> Place:
    """The place as the file has it: without an index into what is one value there and not a list."""
    found: list[str | int] = []
    for part in place:
        if isinstance(part, int) and not isinstance(data, list | tuple):
            continue
        found.append(part)
        try:
            data = data[part]
        except (LookupError, TypeError):
            data = None
    return tuple(found)


def _model_at(place: Iterable[str | int]) -> type[BaseModel] | None:
    model: type[BaseModel] | None = Scenario
    for part in place:
        if isinstance(part, str) and model is not None:
            field = keys_of(model).get(part)
            model = nested_model(field) if field else None
    return model


def _keys_beside(place: Place) -> list[str]:
    model = _model_at(place[:-1])
    prefix = written(place[:-1])
    return [f"{prefix}.{name}" if prefix else name for name in (keys_of(model) if model else ())]


def _must(place: Place) -> str:
    names = [part for part in place if isinstance(part, str)]
    model = _model_at(names[:-1])
    field = keys_of(model).get(names[-1]) if model and names else None
    return must(field) if field else "something else"


def as_data(scenario: Scenario) -> dict[str, Any]:
    """A scenario as plain TOML data, without what is absent and what its study does not use."""
    data = _plain(scenario.model_dump(exclude_none=True, by_alias=True))
    if not scenario.assumptions:
        del data["assumptions"]
    for table, key in (*UNUSED[scenario.study], *scenario.unused_codes):
        if key is None:
            data.pop(table, None)
        else:
            data[table].pop(key, None)
    for key in scenario.unheeded:
        data.get("datapath", {}).pop(key, None)
    for variant in data["variants"]:
        for key in UNUSED_IN_VARIANTS[scenario.study]:
            variant.pop(key, None)
        if len(variant.get("scaling", {}).get("target", ())) == 1:
            variant["scaling"]["target"] = variant["scaling"]["target"][0]
    return data


def _plain(value: Any) -> Any:
    """TOML knows lists, not tuples."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def to_toml(scenario: Scenario) -> str:
    """The text of a scenario file; loading it gives an equal scenario."""
    return tomlkit.dumps(as_data(scenario))
