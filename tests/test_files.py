"""Where files become bytes, text and tables: what is refused, and that nothing is unpacked beyond what is expected."""

from __future__ import annotations

import io
import lzma
import os
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import torch

from hwsim.errors import HwsimError
from hwsim.experiment.catalogue.catalogue_weights import fit, read_state_dict
from hwsim.experiment.catalogue.data import load_data
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.files import DEEPEST, parse_toml, read_bytes, read_text, read_toml, unpack
from hwsim.memory.fault_maps.fault_map import FaultMap
from hwsim.memory.technology.constants import technology

BAD_PATHS = ["x" * 300, "a\0b", "~nosuchuser/x", "x" * 5000]


@pytest.mark.parametrize("path", BAD_PATHS, ids=["name", "zero", "home", "long"])
@pytest.mark.parametrize("suffix", ["", ".toml", ".pt", ".py:f"])
def test_a_path_that_no_file_can_have_ends_in_one_sentence(path: str, suffix: str) -> None:
    name = path + suffix
    for call in (
        lambda: load_scenario(name),
        lambda: read_state_dict(Path(name if suffix == ".pt" else name + ".pt")),
        lambda: FaultMap.from_csv(name),
        lambda: load_data(name + "/folder"),
        lambda: technology(Path(name)),
        lambda: read_text(name),
    ):
        with pytest.raises(HwsimError) as said:
            call()
        assert len(str(said.value)) <= 300


def test_a_file_that_one_may_not_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret.toml"
    file.write_text("name = 'x'")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", denied)
    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(HwsimError, match=r"secret.toml cannot be looked at: Permission denied"):
        load_scenario(file)
    with pytest.raises(HwsimError, match=r"secret.toml cannot be read: Permission denied"):
        read_toml(file)


def test_a_file_without_an_end_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(HwsimError, match="it is not a file"):
        read_bytes("/dev/zero")
    with pytest.raises(HwsimError, match="has more than 1,000 bytes"):
        read_bytes("/dev/zero", most=1000)
    (tmp_path / "x").write_bytes(b"x" * 1000)
    assert len(read_bytes(tmp_path / "x", most=1000)) == 1000


def test_tables_may_be_as_deep_as_said_and_no_deeper() -> None:
    for depth in (DEEPEST - 1, DEEPEST, 400, 100_000):
        for text in ("x = " + "[" * depth + "]" * depth, ".".join("x" * depth) + " = 1"):
            if depth < DEEPEST:
                assert parse_toml(text, "it")
                continue
            if depth > DEEPEST:
                with pytest.raises(HwsimError, match=f"more than {DEEPEST} deep"):
                    parse_toml(text, "it")


def test_whole_numbers_of_a_file_have_64_bits() -> None:
    assert parse_toml(f"x = {2**63 - 1}", "it") == {"x": 2**63 - 1}
    for number in (2**63, "1" * 5000):
        with pytest.raises(HwsimError, match="whole numbers go up to 9223372036854775807"):
            parse_toml(f"x = {number}", "it")


def test_what_was_packed_in_one_or_more_streams_is_unpacked() -> None:
    data = os.urandom(1000) + b"\0" * 10**6
    packed = lzma.compress(data)
    assert unpack(packed, "it") == data
    assert unpack(packed, "it", most=len(data)) == data
    assert unpack(packed + b"\0" * 4 + lzma.compress(b"more"), "it") == data + b"more"
    for broken in (packed[:-5], packed[:100], b"x" + packed, packed + b"rest"):
        with pytest.raises(HwsimError, match="corrupt or not packed by xz"):
            unpack(broken, "it")


def test_a_file_that_unpacks_to_more_than_is_expected_takes_no_memory() -> None:
    bomb = lzma.compress(b"\0" * 10**8)
    tracemalloc.start()
    with pytest.raises(HwsimError, match="unpacks to more than the 1,000,000 bytes"):
        unpack(bomb, "it", most=10**6)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 10**7


def test_a_weight_file_with_packed_members_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(10**6)}, tmp_path / "sound.pt")
    assert read_state_dict(tmp_path / "sound.pt")["w"].shape == (10**6,)
    with zipfile.ZipFile(tmp_path / "sound.pt") as sound, zipfile.ZipFile(tmp_path / "bomb.pt", "w") as bomb:
        for member in sound.infolist():
            bomb.writestr(member.filename, sound.read(member), zipfile.ZIP_DEFLATED)
    with pytest.raises(HwsimError, match="unpacks to more bytes than it has"):
        read_state_dict(tmp_path / "bomb.pt")


@pytest.mark.parametrize(
    ("tensor", "kind"),
    [
        (torch.eye(3).to_sparse(), "sparse"),
        (torch.eye(3).to_sparse_csr(), "sparse"),
        (torch.empty(3, 3, device="meta"), "empty"),
        (torch.eye(3, dtype=torch.complex64), "complex"),
    ],
    ids=["coo", "csr", "meta", "complex"],
)
def test_tensors_that_hold_no_real_numbers_are_refused(tmp_path: Path, tensor: torch.Tensor, kind: str) -> None:
    torch.save({"weight": tensor}, tmp_path / "w.pt")
    with pytest.raises(HwsimError, match=f"{kind}.* tensor 'weight'|corrupt"):
        read_state_dict(tmp_path / "w.pt")


def test_a_variance_below_zero_is_refused() -> None:
    module = torch.nn.BatchNorm1d(3)
    state = {**module.state_dict(), "running_var": torch.tensor([1.0, -1.0, 0.0])}
    with pytest.raises(HwsimError, match="a variance below 0 in 'running_var'"):
        fit(module, state, "it", "file")
    buffer = io.BytesIO()
    torch.save(state, buffer)
    fit(module, {**state, "running_var": torch.zeros(3)}, "it", "file")
