"""A study of a module and images in memory: what `run_scenario` does, without names that have to be loaded."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from hwsim.errors import HwsimError
from hwsim.experiment.catalogue.catalogue import LoadedNetwork, network_of
from hwsim.experiment.catalogue.data import images_of
from hwsim.experiment.results.results import Results
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.studies.bench import Given
from hwsim.experiment.studies.progress import Progress, silent
from hwsim.experiment.studies.run import run_study

BERS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
"""The bit error rates where none are given."""

_GIVEN = {"network": ("name", "weights", "input_shape"), "data": ("name", "folder", "images", "crops")}
"""Settings of a scenario that the arguments themselves say."""


def sweep(
    model: nn.Module | LoadedNetwork,
    images: Any,
    labels: Any,
    *,
    ber: float | Sequence[float] | None = None,
    formats: str | Sequence[str] = ("fp32", "q2.5"),
    divide: str | Sequence[str] | None = None,
    variants: Iterable[Mapping[str, Any]] | None = None,
    fault_maps: int = 10,
    out: str | Path | None = None,
    fresh: bool = False,
    progress: Progress = silent,
    **settings: Any,
) -> Results:
    """How accurate a classifier is when bits of its stored weights flip, protected and not.

    Whatever a scenario can say can be said here, by the same names; what runs is the same too. The unprotected network
    and the fault-free rate 0 are always added, and all variants meet the same weak cells.

    Args:
        model: any `nn.Module` from images to logits (N, classes), trained; a copy of it runs on the CPU, in evaluation
            mode. What `load_network` gives will do.
        images: (N, channels, height, width) floats as the module takes them, of torch or numpy.
        labels: (N,) whole numbers of classes, of torch or numpy.
        ber: bit error rates, from 0 to 1; the decades from 1e-6 to 1e-2 if None. Not with a `mission`.
        formats: word formats that the weights are stored in, "fp32", "fp16", "int8", "q2.5", ...
        divide: ways of dividing the constants out of scaled weights, one variant for each; "per_layer" if None.
        variants: instead of `divide`: tables as a scenario's `[[variants]]`, as in
            `[{"name": "masked", "guards": ["mask_exponent_msb"]}]`.
        fault_maps: independent draws of the weak cells for each point; devices, with a `mission`.
        out: folder for the results, from which the same call goes on; if None, they lie in a temporary one that goes
            when the results do.
        fresh: discard earlier results in that folder.
        progress: called before every step.
        settings: further keys and tables of a scenario, as in `seed=2`, `memory={"immune": ["", "exponent"]}` or
            `mission={...}`.

    Raises:
        HwsimError: for whatever is wrong with the module, the images or the settings, before the first trial runs.
    """
    data = images_of(images, labels)
    network = _network(model, tuple(data.images.shape[1:]))
    if int(data.labels.max()) >= network.outputs:
        raise HwsimError(
            f"The labels go up to {int(data.labels.max())}, where the network has {network.outputs} classes."
        )
    if variants is not None and divide is not None:
        raise HwsimError("Give divide=... or variants=..., not both: a variant says itself how it divides.")
    tables = {key: _table(settings, key) for key in ("network", "data", "memory", "trials")}
    memory = {"formats": formats} | (
        {} if ber is None and "mission" in settings else {"ber": BERS if ber is None else ber}
    )
    for table, said in (("memory", memory), ("trials", {"fault_maps": fault_maps})):
        for key in said:
            if key in tables[table]:
                raise HwsimError(f"`{table}.{key}` is an argument of sweep: give {key}=... instead.")
    scenario = load_scenario(
        {
            "name": "sweep",
            "variants": list(variants) if variants is not None else _scaled(divide),
            **settings,
            "network": {**tables["network"], "name": network.name},
            "data": {**tables["data"], "name": data.source, "images": len(data)},
            "memory": tables["memory"] | memory,
            "trials": tables["trials"] | {"fault_maps": fault_maps},
        }
    )
    given = Given(network, data)
    if out is not None:
        return run_study(scenario, Path(out), fresh, progress, given)
    if fresh:
        raise HwsimError("fresh=True has no effect without a folder: give out=..., or leave it out.")
    folder = tempfile.mkdtemp(prefix="hwsim-")
    try:
        results = run_study(scenario, Path(folder), fresh, progress, given)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(results, shutil.rmtree, folder, ignore_errors=True)
    return results


def _network(model: Any, shape: tuple[int, ...]) -> LoadedNetwork:
    module = model.module if isinstance(model, LoadedNetwork) else model
    if not isinstance(module, nn.Module):
        raise HwsimError(
            f"sweep needs an nn.Module, not {type(model).__name__}: `hwsim.load_network` gives one for a name."
        )
    channels, height, width = shape
    return network_of(module, (channels, height, width))


def _table(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A table of a scenario as it is given, without what the arguments say."""
    table = settings.get(name, {})
    if not isinstance(table, Mapping):
        raise HwsimError(f"`{name}` must be a table of a scenario: give a dict, not {table!r}.")
    for key in _GIVEN.get(name, ()):
        if key in table:
            raise HwsimError(
                f"`{name}.{key}` has no effect in a sweep, which is given its network and images: leave it out."
            )
    return dict(table)


def _scaled(divide: str | Sequence[str] | None) -> list[dict[str, Any]]:
    """One scaled variant for each way of dividing."""
    ways = [divide] if isinstance(divide, str) else ["per_layer"] if divide is None else list(divide)
    return [{"name": f"scaled, {way}", "scaling": {}, "divide": way} for way in ways]
