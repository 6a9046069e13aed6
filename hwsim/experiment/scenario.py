"""What a scenario may say: its tables, keys, defaults and limits.

A scenario is one TOML file. `hwsim.experiment.loading` reads it and turns whatever is wrong with it
into one sentence; the models here are strict (no value is converted, no unknown key is passed over)
and frozen. `hwsim.experiment.resolve` writes out what a scenario leaves unsaid.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from hwsim.errors import HwsimError, unknown
from hwsim.experiment.settings import (
    REQUIRED,
    SettingRow,
    Settings,
    list_settings,
    one_or_many,
    setting,
    unique,
)
from hwsim.words import get_format

Study = Literal["accuracy", "bit_errors"]
Store = Literal["weights", "biases"]
Granularity = Literal["layer", "channel"]
Divide = Literal["none", "per_weight", "per_layer", "logits", "absorbed", "planned"]
Divider = Literal["exact", "reciprocal"]
Guard = Literal["nonfinite_to_zero", "out_of_range_to_zero", "clamp", "mask_exponent_msb"]
Target = float | Literal["default"]

# What a study would ignore: (table, key), or (table, None) for the whole table.
UNUSED: dict[str, tuple[tuple[str, str | None], ...]] = {
    "accuracy": (),
    "bit_errors": (
        ("data", None),
        ("datapath", None),
        ("trials", None),
        ("memory", "ber"),
        ("memory", "immune"),
        ("memory", "zero_to_one"),
        ("memory", "one_to_zero"),
    ),
}
UNUSED_IN_VARIANTS: dict[str, tuple[str, ...]] = {"accuracy": (), "bit_errors": ("divide", "guards")}


def _known_format(name: str) -> str:
    return get_format(name).name


def _bit_sets(value: Any) -> Any:
    """`[]`, `["a", "b"]` (one set of bits) or `[[], ["a"]]` (several sets, run one after the other)."""
    sets = one_or_many(value)
    if not sets or not all(isinstance(bits, list | tuple) for bits in sets):
        sets = (sets,)
    return tuple(tuple(bits) if isinstance(bits, list) else bits for bits in sets)


def _target(value: Any) -> Target:
    if value == "default":
        return "default"
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError("not a target")
    return float(value)


Name = Annotated[str, Field(min_length=1)]
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(ge=0, le=1)]
Formats = Annotated[
    tuple[Annotated[str, AfterValidator(_known_format)], ...],
    BeforeValidator(one_or_many),
    Field(min_length=1),
    AfterValidator(unique),
]


class NetworkSettings(Settings):
    name: Name = setting(
        REQUIRED,
        "the name of a network",
        "a network of `hwsim networks`, a torchvision classifier, or `file.py:function`",
    )
    weights: Name | None = setting(
        None,
        "a file of weights, or a word that the network knows, such as 'random'",
        "trained weights: absent for those that come with the network, a file, or 'random'",
    )
    input_shape: Annotated[tuple[Positive, Positive, Positive], BeforeValidator(one_or_many)] | None = setting(
        None,
        "a list of three whole numbers: channels, height and width",
        "shape of one image, where the network does not say it",
    )
    fold_batchnorm: bool = setting(
        False, "true or false", "fold every BatchNorm into the weights in front of it before they are stored"
    )


class DataSettings(Settings):
    name: Name | None = setting(
        None, "the name of a data set", "a data set that comes with hwsim; absent for the network's own"
    )
    folder: Name | None = setting(
        None, "a folder with one folder of images for each class", "labelled images of your own"
    )
    images: Positive | None = setting(
        None, "a whole number of images, 1 or more", "how many images to classify; absent for all"
    )
    crops: Positive = setting(1, "a whole number of crops, 1 or more", "crops taken from each image")
    batch: Positive | None = setting(
        None,
        "a whole number of images, 1 or more",
        "images simulated at a time, a matter of speed and memory; absent for a number that suits their size",
    )

    @model_validator(mode="after")
    def _one_source(self) -> DataSettings:
        if self.name and self.folder:
            raise ValueError("give either `name` or `folder`, not both")
        return self


class MemorySettings(Settings):
    formats: Formats = setting(
        REQUIRED, "a word format such as 'fp32' or 'q2.5', or a list of them", "how weights are stored"
    )
    ber: Annotated[
        tuple[Rate, ...],
        BeforeValidator(one_or_many),
        Field(min_length=1),
        AfterValidator(lambda rates: tuple(sorted({0.0, *rates}))),
    ] = setting(
        (0.0,),
        "a bit error rate, a number from 0 to 1 without a unit, or a list of them",
        "probability that a stored bit flips; 0 (fault-free) is always run as well",
    )
    store: Annotated[tuple[Store, ...], BeforeValidator(one_or_many), Field(min_length=1), AfterValidator(unique)] = (
        setting(
            ("weights",),
            "'weights', 'biases', or a list of both",
            "which parameters lie in the faulty memory; the others lie in a safe one",
        )
    )
    immune: Annotated[tuple[tuple[str, ...], ...], BeforeValidator(_bit_sets), AfterValidator(unique)] = setting(
        ((),),
        "a list of bits such as ['exponent_msb'], or a list of such lists",
        "bits of every word that never flip; a list of lists is swept",
    )
    zero_to_one: Rate = setting(1.0, "a number from 0 to 1", "a stored 0 flips with this times the bit error rate")
    one_to_zero: Rate = setting(1.0, "a number from 0 to 1", "a stored 1 flips with this times the bit error rate")

    @model_validator(mode="before")
    @classmethod
    def _one_format(cls, data: Any) -> Any:
        if isinstance(data, dict) and "format" in data:
            if "formats" in data:
                raise ValueError("give either `format` or `formats`, not both")
            data = {"formats" if key == "format" else key: value for key, value in data.items()}
        return data

    @model_validator(mode="after")
    def _bits_exist(self) -> MemorySettings:
        for name in self.formats:
            for selector in {selector for bits in self.immune for selector in bits}:
                get_format(name).bit_mask(selector)
        return self


class DatapathSettings(Settings):
    batch: Positive = setting(1, "a whole number of images, 1 or more", "images that share one read of the weights")
    divider: Divider = setting(
        "exact",
        "'exact' or 'reciprocal'",
        "divide, or multiply by the rounded reciprocal of the constant",
    )


class TrialSettings(Settings):
    fault_maps: Positive = setting(
        10,
        "a whole number of fault maps, 1 or more",
        "independent draws of the weak cells for each point; the fault-free point needs one run",
    )


class ScalingSettings(Settings):
    target: Annotated[
        tuple[Annotated[Target, BeforeValidator(_target)], ...],
        BeforeValidator(one_or_many),
        Field(min_length=1),
        AfterValidator(unique),
    ] = setting(
        ("default",),
        "'default', a number above 0, or a list of them",
        "t, the largest stored magnitude of a layer; a list makes one variant for each; 'default' is the "
        "largest value below 2 in floating point and the largest code in fixed point",
    )
    granularity: Granularity = setting(
        "layer", "'layer' or 'channel'", "one constant for each layer, or for each output channel"
    )
    power_of_two: bool = setting(
        False, "true or false", "round each constant down to a power of two, so that dividing is a shift"
    )


class Variant(Settings):
    """One way of protecting the weights; all variants of a scenario meet the same weak cells."""

    name: Name = setting(REQUIRED, "a name", "what the tables and figures call it")
    scaling: ScalingSettings | None = setting(
        None, "a table such as { target = 'default' }", "the scaling of the weights; absent for unscaled"
    )
    divide: Divide | None = setting(
        None,
        "'none', 'per_weight', 'per_layer', 'logits' or 'absorbed'",
        "where the constants are divided out; 'none' without scaling, else 'per_layer' unless said",
    )
    guards: Annotated[tuple[Guard, ...], BeforeValidator(one_or_many), AfterValidator(unique)] = setting(
        (),
        "a list of 'nonfinite_to_zero', 'out_of_range_to_zero', 'clamp' and 'mask_exponent_msb'",
        "what the reader does to every word before it is used",
    )
    formats: Formats | None = setting(
        None, "formats out of `memory.formats`", "the formats to run this variant in; absent for all"
    )

    @model_validator(mode="after")
    def _division_fits(self) -> Variant:
        if self.scaling is None and self.divide not in (None, "none"):
            raise ValueError(f"variant {self.name!r} divides ({self.divide!r}) but has no scaling to divide out")
        if self.scaling is not None and self.divide == "none":
            raise ValueError(f"variant {self.name!r} scales the weights but never divides: set its `divide`")
        return self

    @property
    def is_baseline(self) -> bool:
        """Unscaled and unguarded: what every protection is compared with."""
        return self.scaling is None and not self.guards

    @property
    def target(self) -> Target | None:
        """The target t of a resolved variant; None when it is unscaled."""
        return self.scaling.target[0] if self.scaling else None

    def runs_in(self, fmt: str) -> bool:
        return self.formats is None or fmt in self.formats


class Scenario(Settings):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] = setting(
        REQUIRED, "letters, digits, '_', '-' and '.'", "names the results folder; the file's name unless said"
    )
    study: Study = setting(
        "accuracy",
        "'accuracy' or 'bit_errors'",
        "accuracy over bit error rate, or the error that one flip makes at each bit position",
    )
    seed: Annotated[int, Field(ge=0)] = setting(1, "a whole number, 0 or more", "every random draw follows from it")
    network: NetworkSettings = setting(REQUIRED, "a table", "")
    data: DataSettings = setting(DataSettings(), "a table", "")
    memory: MemorySettings = setting(REQUIRED, "a table", "")
    datapath: DatapathSettings = setting(DatapathSettings(), "a table", "")
    trials: TrialSettings = setting(TrialSettings(), "a table", "")
    variants: Annotated[tuple[Variant, ...], BeforeValidator(one_or_many)] = setting(
        (), "a list of tables, [[variants]]", ""
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Scenario:
        for variant in self.variants:
            for name in variant.formats or ():
                if name not in self.memory.formats:
                    raise unknown(f"format of variant {variant.name!r}", name, self.memory.formats)
        given = self._unused()
        if given:
            raise HwsimError(f"`{given}` has no effect in a {self.study!r} study: leave it out")
        if self.study == "accuracy" and "ber" not in self.memory.model_fields_set:
            raise HwsimError("`memory.ber` is missing: give the bit error rates to run, from 0 to 1")
        return self

    def _unused(self) -> str | None:
        """The first setting that the study would ignore: that is an error, never a silence."""
        for table, key in UNUSED[self.study]:
            if key is None and table in self.model_fields_set:
                return table
            if key is not None and key in getattr(self, table).model_fields_set:
                return f"{table}.{key}"
        for at, variant in enumerate(self.variants):
            for key in UNUSED_IN_VARIANTS[self.study]:
                if key in variant.model_fields_set:
                    return f"variants[{at}].{key}"
        return None


def settings_table() -> Iterator[SettingRow]:
    """Every key of a scenario, in the order of the file; a default of `...` means that it must be given."""
    return list_settings(Scenario)
