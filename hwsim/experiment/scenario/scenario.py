"""What a scenario may say: its tables, keys, defaults and limits.

A scenario is one TOML file. `hwsim.experiment.scenario.loading` reads it and turns whatever is wrong with it
into one sentence; the models here are strict (no value is converted, no unknown key is passed over)
and frozen. `hwsim.experiment.scenario.resolve` writes out what a scenario leaves unsaid.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from hwsim.errors import HwsimError, shown, unknown
from hwsim.experiment.scenario.memory_settings import (
    CODES,
    DEVICE,
    FLIPS,
    Ecc,
    Formats,
    Label,
    MemorySettings,
    NonEmpty,
    Positive,
    Sentence,
)
from hwsim.experiment.scenario.mission_settings import MissionSettings
from hwsim.experiment.scenario.settings import (
    REQUIRED,
    SettingRow,
    Settings,
    WrongValueError,
    list_settings,
    one_or_many,
    setting,
    unique,
)
from hwsim.numerals import real
from hwsim.words import get_format

Study = Literal["accuracy", "bit_errors", "lifetime"]
Granularity = Literal["layer", "channel"]
Divide = Literal["none", "per_weight", "per_layer", "logits", "absorbed", "planned"]
Divider = Literal["exact", "reciprocal"]
Ranges = Literal["images", "bounds"]
Guard = Literal["nonfinite_to_zero", "out_of_range_to_zero", "clamp", "mask_exponent_msb"]
TargetSetting = float | Literal["default"]

# What a study would ignore: (table, key), or (table, None) for the whole table.
_NO_DEVICE = (("mission", None), *(("memory", key) for key in DEVICE if key not in CODES))
_NO_CODES = tuple(("memory", key) for key in CODES)
_NO_FLIPS = tuple(("memory", key) for key in FLIPS)
UNUSED: dict[str, tuple[tuple[str, str | None], ...]] = {
    "accuracy": _NO_DEVICE,
    "bit_errors": (("data", None), ("datapath", None), ("trials", None), *_NO_FLIPS, *_NO_DEVICE, *_NO_CODES),
    "lifetime": _NO_FLIPS,
}
UNUSED_IN_VARIANTS: dict[str, tuple[str, ...]] = {
    "accuracy": (),
    "bit_errors": ("divide", "guards", "ecc"),
    "lifetime": (),
}


PLANNING = ("cost", "ranges", "headroom_bits", "precision_bits")
"""The keys of [datapath] that only `divide = 'planned'` heeds."""

HEEDED: dict[str, tuple[str, ...]] = {
    "absorbed": ("bias_multiplier",),
    "logits": ("inner_multipliers",),
    "planned": ("bias_multiplier", "inner_multipliers", *PLANNING),
}
"""Way of dividing -> the keys of [datapath] that it heeds and not every other way does."""


def _cost(value: Any) -> Any:
    from hwsim.datapath.costs import COSTS, check_prices

    if isinstance(value, dict):
        check_prices(value)
    elif not isinstance(value, str):
        raise HwsimError(f"{shown(value)} is no cost: give 'count', 'energy', 'cycles', or a table of prices")
    elif value not in COSTS:
        raise unknown("cost", value, COSTS)
    return value


def _target(value: Any) -> TargetSetting:
    if value == "default":
        return "default"
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise WrongValueError("no target")
    return real(value, "a target")


class NetworkSettings(Settings):
    name: NonEmpty = setting(
        REQUIRED,
        "the name of a network",
        "a network of `hwsim networks`, a torchvision classifier, or `file.py:function`",
    )
    weights: NonEmpty | None = setting(
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
    name: NonEmpty | None = setting(
        None, "the name of a data set", "a data set that comes with hwsim; absent for the network's own"
    )
    folder: NonEmpty | None = setting(
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


TensorFormatName = Annotated[str, AfterValidator(lambda name: get_format(name).name)]


class DatapathSettings(Settings):
    batch: Positive = setting(1, "a whole number of images, 1 or more", "images that share one read of the weights")
    divider: Divider = setting(
        "exact",
        "'exact' or 'reciprocal'",
        "divide, or multiply by the rounded reciprocal of the constant",
    )
    bias_multiplier: bool = setting(
        True, "true or false", "whether the bias addition has a multiplier, which 'absorbed' and 'planned' then use"
    )
    inner_multipliers: bool = setting(
        False,
        "true or false",
        "whether the constants inside units can be changed (1/N of a mean, 1/sqrt 2 of GELU, log2 e of exponentials), "
        "which 'logits' and 'planned' then use",
    )
    activations: TensorFormatName | None = setting(
        None, "a number format such as 'fp16'", "format of the tensors between operations; absent for fp32"
    )
    accumulators: TensorFormatName | None = setting(
        None,
        "a number format such as 'fp16'",
        "format in which the MAC array puts its sums out, before a bias or a division; absent for fp32",
    )
    cost: Annotated[str | dict[str, float], BeforeValidator(_cost)] = setting(
        "count",
        "'count', 'energy', 'cycles', or a table { shift = ..., reciprocal = ..., division = ... }",
        "what 'planned' makes least: rescaled elements, pJ, cycles, or your own prices for one element",
    )
    ranges: Ranges = setting(
        "images",
        "'images' or 'bounds'",
        "how large 'planned' takes each tensor to be: on the first 32 images, or on any image of their pixel values",
    )
    headroom_bits: Annotated[float, Field(ge=0)] = setting(
        2.0,
        "a number of bits, 0 or more",
        "by how much 'planned' lets a tensor's largest magnitude grow, by faults or other images, before it overflows",
    )
    precision_bits: Annotated[float, Field(ge=0)] | None = setting(
        None,
        "a number of bits, 0 or more",
        "by how much smaller than a tensor's largest magnitude 'planned' keeps numbers from underflow; absent for the "
        "bits of the significand, and 6 in fixed point",
    )

    @model_validator(mode="after")
    def _prices_exist(self) -> DatapathSettings:
        if self.cost != "count":
            from hwsim.datapath.costs import prices

            prices(self.cost, self.activation_format)
        return self

    @property
    def activation_format(self) -> str:
        """The format of tensors between operations."""
        return self.activations or "fp32"

    @property
    def accumulator_format(self) -> str:
        """The format of sums."""
        return self.accumulators or "fp32"


class TrialSettings(Settings):
    fault_maps: Positive = setting(
        10,
        "a whole number of fault maps, 1 or more",
        "independent draws of the weak cells for each point, devices in a lifetime study; the fault-free point needs "
        "one run",
    )


class ScalingSettings(Settings):
    target: Annotated[
        tuple[Annotated[TargetSetting, BeforeValidator(_target)], ...],
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
    lowest_target: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = setting(
        None,
        "a number above 0 and not above t",
        "with `divide = 'planned'`: how far the planner may lower the t of a layer where that saves divisions; absent "
        "for not at all",
    )


class Variant(Settings):
    """One way of protecting the weights; all variants of a scenario meet the same weak cells."""

    name: Label = setting(
        REQUIRED, "a name of up to 100 characters that can be printed", "what the tables and figures call it"
    )
    scaling: ScalingSettings | None = setting(
        None, "a table such as { target = 'default' }", "the scaling of the weights; absent for unscaled"
    )
    divide: Divide | None = setting(
        None,
        "'none', 'per_weight', 'per_layer', 'logits', 'absorbed' or 'planned'",
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

    ecc: Ecc | None = setting(
        None, "a code such as 'secded'", "code that protects this variant's words; absent for `memory.ecc`"
    )

    @model_validator(mode="after")
    def _division_fits(self) -> Variant:
        if self.scaling is None and self.divide not in (None, "none"):
            raise ValueError(f"variant {self.name!r} divides ({self.divide!r}) but has no scaling to divide out")
        if self.scaling is not None and self.divide == "none":
            raise ValueError(f"variant {self.name!r} scales the weights but never divides: set its `divide`")
        if self.scaling is not None and self.scaling.lowest_target is not None and self.divide != "planned":
            raise ValueError(
                f"variant {self.name!r} has a `lowest_target`, which only the planner heeds: set divide = 'planned'"
            )
        return self

    @property
    def is_baseline(self) -> bool:
        """Unscaled, unguarded and without a code of its own: what every protection is compared with."""
        return self.scaling is None and not self.guards and self.ecc is None

    @property
    def target(self) -> TargetSetting | None:
        """The target t of a resolved variant; None when it is unscaled."""
        return self.scaling.target[0] if self.scaling else None

    def runs_in(self, fmt: str) -> bool:
        return self.formats is None or fmt in self.formats


class Scenario(Settings):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")] = setting(
        REQUIRED, "up to 100 letters, digits, '_', '-' and '.'", "names the results folder; the file's name unless said"
    )
    study: Study = setting(
        "accuracy",
        "'accuracy', 'bit_errors' or 'lifetime'",
        "accuracy over bit error rate, the error that one flip makes at each bit position, or accuracy over the life "
        "of a device, which it is without being said where there is a [mission]",
    )
    seed: Annotated[int, Field(ge=0)] = setting(1, "a whole number, 0 or more", "every random draw follows from it")
    assumptions: Annotated[tuple[Sentence, ...], BeforeValidator(one_or_many)] = setting(
        (), "a sentence, or a list of them", "what the results rest on: printed with them, and of no other effect"
    )
    network: NetworkSettings = setting(REQUIRED, "a table", "")
    data: DataSettings = setting(DataSettings(), "a table", "")
    memory: MemorySettings = setting(REQUIRED, "a table", "")
    mission: MissionSettings | None = setting(None, "a table", "")
    datapath: DatapathSettings = setting(DatapathSettings(), "a table", "")
    trials: TrialSettings = setting(TrialSettings(), "a table", "")
    variants: Annotated[tuple[Variant, ...], BeforeValidator(one_or_many)] = setting(
        (), "a list of tables, [[variants]]", ""
    )

    @model_validator(mode="before")
    @classmethod
    def _mission_is_of_a_lifetime(cls, data: Any) -> Any:
        if isinstance(data, dict) and "mission" in data and "study" not in data:
            return {**data, "study": "lifetime"}
        return data

    @model_validator(mode="after")
    def _fits_together(self) -> Scenario:
        for variant in self.variants:
            for name in variant.formats or ():
                if name not in self.memory.formats:
                    raise unknown(f"format of variant {variant.name!r}", name, self.memory.formats)
        given = self._unused()
        if given:
            article = "an" if self.study[0] in "aeiou" else "a"
            raise HwsimError(f"`{given}` has no effect in {article} {self.study!r} study: {self._instead_of(given)}")
        unheeded = [key for key in self.unheeded if key in self.datapath.model_fields_set]
        if unheeded:
            raise HwsimError(
                f"`datapath.{unheeded[0]}` has no effect on how these variants divide: leave it out, or give one "
                "divide = 'planned'"
            )
        for table, key in self.unused_codes:
            if key != "ecc" and key in self.memory.model_fields_set:
                raise HwsimError(f"`{table}.{key}` has no effect without a code: give `memory.ecc`, or leave it out")
        if self.study == "accuracy" and "ber" not in self.memory.model_fields_set:
            raise HwsimError("`memory.ber` is missing: give the bit error rates to run, from 0 to 1")
        if self.study == "lifetime" and self.mission is None:
            raise HwsimError("`mission` is missing: give at least a `profile` and the times to read at")
        memory = self.memory
        if self.study == "lifetime" and not (
            memory.technology or memory.flips or memory.stuck_at or memory.clusters or memory.fault_map
        ):
            raise HwsimError(
                "nothing fails in this memory: give `memory.technology`, or one of the tables `memory.flips`, "
                "`memory.stuck_at`, `memory.clusters` and `memory.fault_map`"
            )
        if self.mission is not None:
            self.mission.check_used_by(memory.cells())
        return self

    @property
    def is_planned(self) -> bool:
        """Whether a variant is planned."""
        return any(variant.divide == "planned" for variant in self.variants)

    def variant(self, name: str) -> Variant:
        """The variant of this name. Raises `LookupError` if there is none."""
        found = next((variant for variant in self.variants if variant.name == name), None)
        if found is None:
            raise LookupError(name)
        return found

    def code_of(self, variant: Variant) -> str:
        """The name of the code that protects a variant's words."""
        return variant.ecc or self.memory.ecc

    @property
    def counts_codewords(self) -> bool:
        """Whether the results say what became of codewords: of devices, and where words are coded."""
        if self.study == "accuracy":
            return any(self.code_of(variant) != "none" for variant in self.variants) or self.memory.ecc != "none"
        return self.study == "lifetime"

    @property
    def unused_codes(self) -> tuple[tuple[str, str], ...]:
        """What is said of codes in an accuracy study that has none."""
        return _NO_CODES if self.study == "accuracy" and not self.counts_codewords else ()

    @property
    def unheeded(self) -> tuple[str, ...]:
        """The keys of [datapath] that no variant heeds."""
        heeded = {key for variant in self.variants for key in HEEDED.get(variant.divide or "", ())}
        return tuple(key for key in HEEDED["planned"] if key not in heeded)

    def _instead_of(self, key: str) -> str:
        """What to do about a setting that the study would ignore."""
        name = key.rpartition(".")[2]
        if self.study == "accuracy" and name in DEVICE:
            return (
                "it is of a device, so add a [mission] such as profile = [{ for = '1 s' }], with rates of flips in "
                "`memory.flips` and not in `memory.ber`"
            )
        if self.study == "lifetime" and name == "ber":
            return "give rates of flips in a table such as memory.flips = { zero_to_one = 1e-4, one_to_zero = 1e-4 }"
        return "leave it out"

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
