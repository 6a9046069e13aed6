"""How a key of a scenario is declared: its default, what its value must be, and what it means.

The declarations are read three times: to validate, to say what would be right, and to list all settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

REQUIRED: Any = ...


class WrongValueError(ValueError):
    """A value is not what its key says that it must be: there is no more to say."""


class Settings(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


def setting(default: Any, must: str, meaning: str, key: str | None = None) -> Any:
    """A key of a scenario: its default, what its value must be (used in errors) and what it means.

    `key` is how it is written where Python cannot have the name, as for "for".
    """
    return Field(default, alias=key, description=meaning, json_schema_extra={"must": must})


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model by their keys, as they are written."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def one_or_many(value: Any) -> Any:
    """One value stands for a list of one; lists become tuples, so that settings stay frozen."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


class SettingRow(NamedTuple):
    """One line of the list of settings: `key` as written in a scenario or after `--set`."""

    key: str
    must: str
    default: Any
    meaning: str


def list_settings(model: type[BaseModel], prefix: str = "") -> Iterator[SettingRow]:
    """Every key of a model and of the tables in it, in order; a default of `...` means that it must be given."""
    for name, field in keys_of(model).items():
        inner = nested_model(field)
        if inner is None:
            yield SettingRow(
                prefix + name,
                must(field),
                field.default if not field.is_required() else ...,
                field.description or "",
            )
        else:
            yield from list_settings(inner, f"{prefix}{name}.")


def must(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra["must"]) if isinstance(extra, dict) and "must" in extra else "different"


def nested_model(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a table key, through `X | None`, `tuple[X, ...]` and annotations; None for a plain value."""
    waiting: list[Any] = [field.annotation]
    while waiting:
        annotation = waiting.pop()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
        waiting.extend(get_args(annotation))
    return None
