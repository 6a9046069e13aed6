"""Weights: files of them read safely, fitted to a module, or drawn at random from a seed."""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hwsim.errors import HwsimError, cut, shown, unknown
from hwsim.experiment.catalogue.catalogue_card import check_sha256
from hwsim.files import kind_of, read_bytes, user_path

if TYPE_CHECKING:
    from torch import Tensor, nn

SUFFIXES = (".safetensors", ".pt", ".pth")

# The key under which training scripts keep the weights, beside the optimizer's state and the like.
WRAPPERS = ("state_dict", "model")

# BatchNorm's count of training steps: old files lack it, and no evaluation needs it.
UNUSED_COUNT = "num_batches_tracked"


def read_state_dict(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """The tensors of a `.safetensors`, `.pt` or `.pth` file; nothing in the file is executed.

    A `.pt` file may hold the tensors themselves or a mapping that has them under "state_dict" or "model".

    Args:
        path: the file.
        sha256: what its SHA-256 must be; None to take it as it is.

    Raises:
        HwsimError: if the file cannot be read, has another checksum, or holds no named tensors.
    """
    import torch
    from safetensors.torch import load

    if path.suffix not in SUFFIXES:
        raise HwsimError(f"Weights {path} must be a file of named tensors: {', '.join(SUFFIXES)}.")
    content = read_bytes(path, "Weights")
    if sha256:
        check_sha256(content, sha256, f"Weight file {path}")
    if not _holds_what_it_says(content):
        raise HwsimError(f"Weight file {path} unpacks to more bytes than it has, which no file of torch.save does.")
    try:
        if path.suffix == ".safetensors":
            state: Any = load(content)
        else:
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:
        # Each reader raises what its parser meets first (pickle, zip, key and value errors alike).
        raise HwsimError(f"Weight file {path} is corrupt or not a {path.suffix} file of tensors.") from None
    return _tensors(state, path)


def _holds_what_it_says(content: bytes) -> bool:
    """Whether a ZIP file, if it is one, stores its members unpacked, as torch does: others can fill a memory."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as members:
            return sum(member.file_size for member in members.infolist()) <= len(content)
    except (zipfile.BadZipFile, ValueError, NotImplementedError):  # no ZIP file: the readers below say what it is
        return True


def _tensors(state: Any, path: Path) -> dict[str, Tensor]:
    import torch

    for wrapper in WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not state or not all(torch.is_tensor(t) for t in state.values()):
        raise HwsimError(f"Weight file {path} holds no state dict: named tensors were expected.")
    for name, tensor in state.items():
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized or tensor.is_complex():
            kind = "complex" if tensor.is_complex() else "quantised" if tensor.is_quantized else "sparse or empty"
            raise HwsimError(f"Weight file {path} has the {kind} tensor {shown(name)}: give dense real ones.")
    return {str(name): tensor for name, tensor in state.items()}


def fit(module: nn.Module, state: Mapping[str, Tensor], network: str, source: object) -> None:
    """Puts a state dict into a module.

    Raises:
        HwsimError: if a tensor is missing, unexpected, of another shape, or holds NaN or infinity.
    """
    where = cut(str(source), 60)  # a long path would push out what is wrong
    own = module.state_dict()
    shapes = [name for name in own if name in state and own[name].shape != state[name].shape]
    faults = [
        _count([name for name in own if name not in state and not name.endswith(UNUSED_COUNT)], "missing"),
        _count([name for name in state if name not in own], "unexpected"),
        _count(shapes, "of another shape"),
    ]
    if shapes:
        name = shapes[0]
        faults[2] += f": {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"
    if any(faults):
        listed = ", ".join(fault for fault in faults if fault)
        raise HwsimError(f"The weights {where} do not fit network {network!r}: {listed}.")
    for name, tensor in state.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise HwsimError(f"The weights {where} hold NaN or infinity in {shown(name)}.")
        if name.endswith("running_var") and bool((tensor < 0).any()):
            raise HwsimError(f"The weights {where} hold a variance below 0 in {shown(name)}: give 0 or more.")
    module.load_state_dict(state, strict=False)


def _count(names: list[str], what: str) -> str:
    if not names:
        return ""
    return f"{len(names)} tensor{'s' if len(names) > 1 else ''} {what} (first {shown(names[0])})"


def seeded(build: Callable[[], Any], seed: int) -> Any:
    """What `build()` returns when PyTorch's generator starts from `seed`; the generator is put back after."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def function_in_file(spec: str, folder: Path = Path()) -> Callable[..., Any]:
    """The function that "path/file.py:function" names; a relative path starts at `folder`.

    Raises:
        HwsimError: if the file is missing, fails when it is run, or has no such function.
    """
    filename, _, name = spec.rpartition(":")
    path = folder / user_path(filename)
    if kind_of(path) != "file":
        raise HwsimError(f"There is no Python file {cut(str(path), 100)}, which {shown(spec)} names.")
    module = _run_file(path.resolve())
    functions = {key: value for key, value in vars(module).items() if callable(value)}
    if name not in functions:
        raise unknown(f"function in {path}", name, functions)
    return functions[name]


def _run_file(path: Path) -> ModuleType:
    """A Python file as a module of its own; like a script it may import the files beside it."""
    module = ModuleType(f"hwsim_file_{hashlib.sha256(bytes(path)).hexdigest()[:16]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and torch.export look their module up there
    sys.path.insert(0, str(path.parent))
    try:
        exec(compile(path.read_bytes(), path, "exec"), vars(module))
    except Exception as error:
        raise HwsimError(f"{path} fails when it is run: {type(error).__name__}: {error}.") from error
    finally:
        sys.path.remove(str(path.parent))
    return module
