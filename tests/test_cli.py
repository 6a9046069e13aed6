"""The command line: what it prints, how it fails, and that it answers at once."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import hwsim
from hwsim import cli
from hwsim.experiment.results.store import DERIVED, KEPT, MARK
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.library import scenario_library

SCENARIO = """
seed = 3
[network]
name = "lenet5"
[data]
images = 40
[memory]
format = "q2.5"
ber = 1e-2
[trials]
fault_maps = 2
[[variants]]
name = "scaled"
scaling = { target = "default" }
"""


class Said(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """`hwsim ...` in an empty folder, on a terminal of 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["hwsim", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return call


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    (tmp_path / "mine.toml").write_text(SCENARIO)
    return "mine.toml"


def in_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("code", ["import hwsim", "import hwsim.cli", "import hwsim; dir(hwsim)"])
def test_starting_imports_nothing_heavy(code: str) -> None:
    heavy = {"torch", "torchvision", "numpy", "scipy", "matplotlib", "pydantic", "rich", "tomlkit"}
    loaded = in_python(f"{code}; import sys; print(*sys.modules)").split()
    assert heavy.isdisjoint(loaded)


def loaded_by(arguments: list[str]) -> set[str]:
    """The modules that a command has loaded when it ends."""
    code = (
        f"import sys; sys.argv = ['hwsim', *{arguments}]\n"
        "from hwsim.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print(*sys.modules)"
    )
    return set(in_python(code).splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    assert {"torch", "numpy", "matplotlib", "scipy"}.isdisjoint(loaded_by(arguments))


@pytest.mark.parametrize("arguments", [["memory", "list"], ["scenarios"], ["scenarios", "show", "quickstart"]])
def test_a_list_loads_no_library_that_computes(arguments: list[str]) -> None:
    code = (
        f"import sys\nfrom hwsim.cli import app\napp({arguments}, standalone_mode=False)\nprint()\nprint(*sys.modules)"
    )
    loaded = set(in_python(code).splitlines()[-1].split())
    assert "hwsim.cli" in loaded
    assert not loaded & {"torch", "scipy", "numpy", "matplotlib", "tomlkit"}


def test_listing_and_reading_scenarios_imports_no_torch() -> None:
    code = (
        "import sys\n"
        "from hwsim.experiment.scenario.loading import load_scenario\n"
        "from hwsim.library import scenario_library\n"
        "for name in scenario_library(): load_scenario(name)\n"
        "print(*sys.modules)"
    )
    assert "torch" not in in_python(code).split()


def test_python_m_hwsim_is_hwsim() -> None:
    found = subprocess.run([sys.executable, "-m", "hwsim", "--version"], check=True, capture_output=True, text=True)
    assert found.stdout == f"hwsim {hwsim.__version__}\n"


def test_help_names_every_command(command: Command) -> None:
    said = command("--help")
    assert said.code == 0
    for name in ("run", "report", "word", "formats", "networks", "divisions", "scenarios", "memory"):
        assert re.search(rf"^  {name} +\S", said.out, re.M), name
        assert command(name, "--help").code == 0
    assert all(len(line) <= 80 for line in said.out.splitlines())


# --- run


def test_run_prints_tables_and_writes_a_report(command: Command, scenario: str) -> None:
    said = command("run", scenario)
    assert said.code == 0
    for part in ("q2.5", "unscaled", "scaled", "words read", "results/mine", "report.html"):
        assert part in said.out
    assert all(len(line) <= 80 for line in said.out.splitlines())
    assert said.out.endswith("\nTables and figures are in results/mine\nThe report: results/mine/report.html\n")
    folder = Path("results/mine")
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {
        ".hwsim",
        "scenario.toml",
        "environment.json",
        "trials.jsonl",
        "results.csv",
        "results.json",
        "counts.csv",
        "report.html",
        *(f"figures/{name}.{kind}" for name in ("accuracy", "agreement", "loss") for kind in ("png", "svg", "pdf")),
    }
    assert found <= {MARK, *KEPT, *DERIVED}, "a file that the store does not name would outlive --fresh"


def test_settings_and_the_folder_can_be_chosen(command: Command, scenario: str) -> None:
    said = command("run", scenario, "--set", "memory.ber=[1e-4, 0.1]", "--set", "trials.fault_maps=1", "--out", "here")
    assert said.code == 0
    resolved = tomllib.loads(Path("here/scenario.toml").read_text())
    assert resolved["memory"]["ber"] == [0.0, 1e-4, 0.1]
    assert resolved["trials"]["fault_maps"] == 1


def test_another_scenario_in_the_same_folder_needs_fresh(command: Command, scenario: str) -> None:
    assert command("run", scenario, "--set", "memory.ber=0").code == 0
    before = Path("results/mine/results.csv").read_bytes()
    refused = command("run", scenario, "--set", "memory.ber=0", "--set", "seed=4")
    assert refused.code == 2
    assert "with `fresh`" in refused.err
    assert Path("results/mine/results.csv").read_bytes() == before
    assert command("run", scenario, "--set", "memory.ber=0", "--set", "seed=4", "--fresh").code == 0


def test_a_report_is_written_again_from_its_folder(command: Command, scenario: str) -> None:
    assert command("run", scenario, "--set", "memory.ber=0").code == 0
    report = Path("results/mine/report.html")
    before = report.read_bytes()
    report.unlink()
    said = command("report", "results/mine")
    assert said.code == 0
    assert said.out == f"{report}\n"
    assert report.read_bytes() == before


WRONG = [
    (["run", "nowhere.toml"], "nowhere.toml"),
    (["run", "quickstrat"], "did you mean 'quickstart'"),
    (["run", "mine.toml", "--set", "memory.bre=1e-3"], "did you mean 'memory.ber'"),
    (["run", "mine.toml", "--set", "memory.ber=2"], "0 to 1"),
    (["run", "mine.toml", "--set", "memory.ber=10 years"], "without a unit"),
    (["run", "mine.toml", "--set", "memory.ber"], "key=value"),
    (["run", "mine.toml", "--set", "memory.formats=q99.1"], "q99.1"),
    (["run", "mine.toml", "--set", "network.name=resnet19"], "resnet19"),
    (["run", "mine.toml", "--set", "network.weights=lost.pt"], "lost.pt"),
    (["run", "mine.toml", "--set", "data.images=99999"], "10,000"),
    (["run", "mine.toml", "--set", "data.name=fashion"], "fashion"),
    (
        [
            "run",
            "mine.toml",
            "--set",
            "variants.scaled.scaling.granularity=channel",
            "--set",
            "variants.scaled.divide=logits",
        ],
        "Variant 'scaled'",
    ),
    (["run", "mine.toml", "--out", "mine.toml"], "cannot be written"),
    (["run", "mine.toml", "--out", "mine.toml/below"], "cannot be written"),
    (["report", "nothing"], "holds no results"),
    (["word", "tenth"], "'tenth'"),
    (["word", "0.1", "--format", "fp33"], "did you mean 'fp32'"),
    (["word", "0.1", "--format", "float16"], "did you mean 'fp16'"),
    (["memory", "show", "mram"], "did you mean 'stt_mram'"),
    (["memory", "show", "SRAM"], "did you mean 'sram'"),
    (["scenarios", "show", "quickstrat"], "did you mean 'quickstart'"),
    (["scenarios", "--json", "show", "quickstart"], "--json has no effect"),
    (["divisions", "--all", "--json"], "--json has no effect"),
    (["divisions", "lenet5", "--way", "logits"], "--way logits says which way"),
    (["divisions", "lenet5", "--fold", "1"], "--fold is for the drawing"),
    (["word", "0.1", "--flip", "32"], "32"),
    (["divisions", "resnet19"], "resnet1"),
    (["divisions", "lenet5", "--divider", "shift"], "shift"),
    (["divisions"], "needs a network"),
    (["divisions", "lenet5", "--all"], "a network has no place beside it"),
    (["divisions", "--all", "--list"], "--list has no place beside it"),
    (["divisions", "--all", "--draw", "x.svg"], "--draw has no place beside it"),
    (["divisions", "--all", "--way", "logits"], "--way has no place beside it"),
    (["divisions", "--all", "--fold", "0"], "--fold has no place beside it"),
    (["divisions", "--all", "--cost", "area"], "area"),
    (["divisions", "lenet5", "--way", "logits"], "add --list or --draw"),
    (["divisions", "lenet5", "--list", "--fold", "1"], "add --draw"),
    (["divisions", "lenet5", "--way", "logit"], "did you mean 'logits'"),
    (["divisions", "lenet5", "--cost", "area"], "area"),
    (["divisions", "lenet5", "--activations", "fp17"], "fp1"),
    (["divisions", "lenet5", "--accumulators", "fp17"], "fp1"),
    (["divisions", "lenet5", "--draw", "nowhere/plan.svg"], "cannot be written to nowhere/plan.svg"),
    (["divisions", "efficientnet_b0", "--image-size", "32", "--way", "logits", "--draw", "x.svg"], "cannot be drawn"),
    (["divisions", "efficientnet_b0", "--image-size", "32", "--way", "logits", "--list"], "no divisions to list"),
    (["memory", "show", "stt_mran"], "did you mean 'stt_mram'"),
    (["memory", "rate", "stt_mram", "--set", "detla=45"], "did you mean 'delta'"),
    (["memory", "rate", "stt_mram", "--set", "delta"], "constant=value"),
    (["memory", "rate", "dram", "--temperature=-300C"], "absolute zero"),
    (["memory", "rate", "sram", "--voltage", "0.6 s"], "'1 V'"),
    (["memory", "rate", "sram", "--age=-1y"], "goes back in time"),
]


@pytest.mark.parametrize(("arguments", "part"), WRONG, ids=[" ".join(arguments)[:60] for arguments, _ in WRONG])
def test_wrong_input_is_one_line_on_stderr_with_exit_code_2_and_writes_nothing(
    command: Command, scenario: str, arguments: list[str], part: str
) -> None:
    said = command(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("hwsim: ")
    assert said.err.count("\n") == 1
    assert part in said.err
    assert [path.name for path in Path().iterdir()] == [scenario]


NETWORKS = """
import torch
from torch import nn

class Net(nn.Module):
    input_shape = (1, 4, 4)

    def __init__(self, forward, **kinds):
        super().__init__()
        self.layer = nn.Linear(16, 16, **kinds)
        self.steps = forward

    def forward(self, images):
        return self.steps(self.layer, images.flatten(1))

def overwritten(layer, x):
    layer.bias += 1
    return layer(x)

def branching(): return Net(lambda layer, x: layer(x) if x.sum() > 0 else x)
def counting(): return Net(lambda layer, x: layer(x)[x[:, 0] > 0])
def overwriting(): return Net(overwritten)
def drawing(): return Net(lambda layer, x: layer(x + torch.rand(16)))
def weightless(): return Net(lambda layer, x: x)
def complex(): return Net(lambda layer, x: layer(x.to(torch.complex64)).abs(), dtype=torch.complex64)
def words(): return Net(lambda layer, x: layer(nn.functional.embedding(x, layer.weight).mean(1)))
"""


@pytest.mark.parametrize(
    ("function", "part"),
    [
        ("branching", "depends on the values of a tensor (an if, a loop): use torch.where"),
        ("counting", "makes a shape or a number of what is in the images"),
        ("overwriting", "overwrites a parameter or buffer"),
        ("drawing", "aten.rand.default in the network draws at random"),
        ("weightless", "no weights to store"),
        ("complex", "is torch.complex64: parameters and buffers are real numbers"),
        ("words", "does not run on an image of shape (1, 4, 4)"),
    ],
)
def test_a_network_that_cannot_be_run_is_one_line(command: Command, function: str, part: str) -> None:
    Path("nets.py").write_text(NETWORKS)
    said = command("divisions", f"nets.py:{function}")
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert part in said.err


def test_a_corrupt_weight_file_is_one_line(command: Command, scenario: str) -> None:
    Path("bad.safetensors").write_bytes(b"not tensors at all")
    said = command("run", scenario, "--set", "network.weights=bad.safetensors")
    assert said.code == 2
    assert "bad.safetensors" in said.err
    assert said.err.count("\n") == 1
    assert not Path("results").exists()


def test_an_interrupted_run_says_what_is_kept_and_goes_on_from_it(tmp_path: Path, scenario: str) -> None:
    """A real process and a real SIGINT, sent when its first trial is in the log."""
    words = [
        sys.executable,
        "-m",
        "hwsim",
        "run",
        scenario,
        "--set",
        "trials.fault_maps=400",
        "--set",
        "data.images=200",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(hwsim.__file__).parents[1])}
    # Shells let what runs in the background ignore the signal, and their children with it: not this one.
    process = subprocess.Popen(
        words,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    log = tmp_path / "results" / "mine" / "trials.jsonl"
    while process.poll() is None and not (log.exists() and log.read_bytes()):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    kept = log.read_text().count("\n")
    assert kept >= 1
    assert (
        err.strip()
        == f"Interrupted. {kept} finished trials are kept in results/mine; the same command goes on from them."
    )
    assert not (log.parent / "results.csv").exists()


INTERRUPTED_AT = """
import os, signal, sys
from hwsim.__main__ import main

class Finder:
    left = int(sys.argv.pop(1))

    def find_spec(self, *_):
        if not self.left:
            os.kill(os.getpid(), signal.SIGINT)
        self.left -= 1

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Finder())
main()
"""


@pytest.mark.parametrize("number", [0, 1, 40, 200, 400, 700, 1000, 1300, 1600])
def test_ctrl_c_is_one_line_while_anything_is_loaded(tmp_path: Path, scenario: str, number: int) -> None:
    """A real process sends itself a real SIGINT when the module of this number is looked for: most are torch's."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT, str(number), "run", scenario],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(hwsim.__file__).parents[1])},
    )
    assert done.returncode == 130
    assert done.stderr in (
        "Interrupted.\n",
        "Interrupted before the first trial was finished: nothing is kept.\n",
    )
    assert done.stdout == ""
    assert not (tmp_path / "results").exists()


def test_the_last_lines_paths_are_not_wrapped(command: Command, scenario: str) -> None:
    folder = "/".join(["a_folder_with_a_name_that_is_long"] * 4)
    said = command("run", scenario, "--set", "memory.ber=0", "--out", folder)
    assert said.out.endswith(f"\nTables and figures are in {folder}\nThe report: {folder}/report.html\n")


@pytest.mark.parametrize("name", ["[/x]", "[red]abc"])
def test_a_folder_is_named_as_it_is(command: Command, scenario: str, name: str) -> None:
    said = command("run", scenario, "--set", "memory.ber=0", "--out", name)
    assert said.out.endswith(f"The report: {name}/report.html\n")


# --- what all commands share


@pytest.mark.parametrize(
    "arguments",
    [[], ["run"], ["report"], ["word"], ["divisions"], ["memory"], ["memory", "rate"], ["scenarios", "show"]],
)
def test_the_short_option_for_help_is_the_long_one(command: Command, arguments: list[str]) -> None:
    short, long = command(*arguments, "-h"), command(*arguments, "--help")
    assert short == long
    assert (short.code, short.err) == (0, "")
    assert "-h, --help" in short.out
    assert all(len(line) <= 80 for line in short.out.splitlines())


def test_help_names_completion(command: Command) -> None:
    assert "--install-completion  Install completion for the current shell." in command("--help").out


PRINTING = [
    ["formats"],
    ["networks"],
    ["scenarios"],
    ["word", "0.1", "--flip", "3", "--format", "fp16"],
    ["memory", "list"],
    ["memory", "show", "stt_mram"],
    ["memory", "show", "dram/hbm2"],
    ["memory", "rate", "sram", "--cycles", "3"],
    ["divisions", "lenet5"],
]


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_tables_fit_80_columns_and_have_no_blanks_at_the_end_when_piped(command: Command, arguments: list[str]) -> None:
    lines = command(*arguments).out.splitlines()
    assert [line for line in lines if len(line) > 80 or line != line.rstrip()] == []


PIPED = {**os.environ, "PYTHONPATH": str(Path(hwsim.__file__).parents[1])}


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_stream_of_ascii_takes_every_table(arguments: list[str]) -> None:
    words = [sys.executable, "-m", "hwsim", *arguments]
    found = subprocess.run(words, capture_output=True, env={**PIPED, "PYTHONIOENCODING": "ascii"})
    assert (found.returncode, found.stderr) == (0, b"")
    assert found.stdout.isascii()
    assert b"?" not in found.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("arguments", [["formats"], ["--version"], ["scenarios", "show", "quickstart"], ["-h"]])
def test_output_that_cannot_be_written_is_one_line(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        found = subprocess.run(
            [sys.executable, "-m", "hwsim", *arguments], stdout=full, stderr=subprocess.PIPE, env=PIPED, text=True
        )
    assert found.returncode == 2
    assert found.stderr == "hwsim: The output cannot be written: No space left on device.\n"


# --- the other commands


def test_word_shows_fields_and_what_a_flip_does(command: Command) -> None:
    said = command("word", "0.1", "--format", "fp32", "--flip", "30")
    assert said.code == 0
    for part in ("0x3dcccccd", "exponent 7 (MSB)", "fraction", "0x7dcccccd", "3.40282"):
        assert part in said.out


@pytest.mark.parametrize("value", ["-0.5", "-inf", "nan", "1e-3", "0xff"])
def test_word_takes_any_number_negative_ones_too(command: Command, value: str) -> None:
    assert command("word", value, "--format", "fp16", "--flip", "3").code == 0


def test_formats_lists_the_named_ones(command: Command) -> None:
    said = command("formats")
    for name in ("fp32", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2", "q2.5", "int8"):
        assert name in said.out
    assert "qM.N" in said.out
    assert all(len(line) <= 80 for line in said.out.splitlines())


def test_networks_lists_what_comes_with_hwsim_and_on_request_torchvisions(command: Command) -> None:
    own = command("networks")
    assert "fashion_resnet" in own.out
    assert "resnet50" not in own.out
    everything = command("networks", "--all")
    assert "resnet50" in everything.out
    assert all(len(line) <= 80 for line in own.out.splitlines())


def test_scenarios_lists_what_comes_with_hwsim_each_with_a_sentence(command: Command) -> None:
    said = command("scenarios")
    for name in ("quickstart", "paper_fig2", "paper_fig3", "paper_table", "efficientnet_lite0"):
        assert name in said.out
    assert "hwsim[imagenet]" in said.out


def cells(said: Said, way: str) -> list[str]:
    """The line of the table of counts for one way of dividing."""
    return next(line.split()[1:] for line in said.out.splitlines() if line.split()[:1] == [way])


def test_divisions_counts_every_way_without_weights(command: Command) -> None:
    """The numbers that the design states for ResNet18 at 224 x 224."""
    said = command("divisions", "resnet18")
    assert said.code == 0
    assert cells(said, "per_weight")[:4] == ["11,678,912", "0", "0", "0"]
    assert cells(said, "per_layer")[:4] == ["2,484,712", "0", "0", "0"]
    assert cells(said, "logits")[:4] == ["1,000", "0", "0", "752,640"]
    # 21 constants of 33 bits each, 20 BatchNorms, and one layer without.
    assert cells(said, "per_layer")[4:] == ["0", "21", "693"]
    assert cells(said, "absorbed")[4:] == ["20", "1", "33"]
    assert all(len(line) <= 80 for line in said.out.splitlines())


def test_divisions_says_what_forces_each_in_few_lines(command: Command) -> None:
    said = command("divisions", "resnet18")
    _, _, forced = said.out.partition("What forces them")
    lines = [" ".join(line.split()) for line in forced.splitlines() if line.strip()]
    assert "per_layer 21 divided: own constant, right behind its layer 2,484,712" in lines
    assert "logits 8 aligned: the sum needs inputs of one scale 752,640" in lines
    assert "1 divided: the logits must be unscaled 1,000" in lines
    assert len(lines) <= 12


def test_divisions_lists_every_place_of_one_way(command: Command) -> None:
    said = command("divisions", "squeezenet1_1", "--list", "--way", "logits", "--image-size", "64")
    heading, *lines = said.out.splitlines()
    assert "logits" in heading
    assert len(lines) == 9
    assert sum(int(line.split()[1].replace(",", "")) for line in lines if line.startswith("aligned")) == sum(
        int(count.replace(",", ""))
        for count in [cells(command("divisions", "squeezenet1_1", "--image-size", "64"), "logits")[3]]
    )
    assert any("concatenation in features.3 needs inputs of one scale" in line for line in lines)


def test_divisions_by_powers_of_two_are_shifts_and_a_batch_shares_a_read(command: Command) -> None:
    said = command("divisions", "lenet5", "--power-of-two", "--batch", "4")
    batch, _, image = said.out.partition("For each image")
    assert cells(said._replace(out=batch), "per_weight")[:3] == ["0", "0", "61,470"]
    assert cells(said._replace(out=image), "per_weight")[:3] == ["0", "0", "15,367.5"]
    assert cells(said._replace(out=image), "per_layer")[:3] == ["0", "0", "6,518"]
    assert cells(said, "per_layer")[5:] == ["5", "50"]
    assert all(len(line) <= 80 for line in said.out.splitlines())


def test_divisions_says_which_ways_overflow_where_and_how_to_repair_them(command: Command) -> None:
    said = command("divisions", "squeezenet1_1", "--activations", "fp16", "--cost", "energy", "--image-size", "64")
    text = " ".join(said.out.split())
    assert "logits is impossible with activations in fp16: features." in text
    assert "leaves the range first, as its scales and magnitudes predict. the cheapest repair is" in text
    assert " pJ for one image." in text
    assert cells(said, "logits") == ["-"] * 7
    assert all(len(line) <= 80 for line in said.out.splitlines())


def test_divisions_draws_one_way(command: Command) -> None:
    said = command("divisions", "lenet5", "--draw", "plan.svg", "--way", "logits")
    assert said.code == 0
    assert Path("plan.svg").read_text().startswith("<svg")
    assert "logits is drawn in plan.svg" in said.out


def test_memory_list_names_every_technology(command: Command) -> None:
    from hwsim.memory.technology.constants import technologies

    said = command("memory", "list")
    for name in technologies():
        assert name in said.out
    assert all(len(line) <= 80 for line in said.out.splitlines())


def test_memory_show_gives_every_constant_with_its_trust_and_rates_at_a_glance(command: Command) -> None:
    from hwsim.memory.technology.constants import technology

    said = command("memory", "show", "stt_mram", "--set", "delta=45")
    for constant in technology("stt_mram"):
        assert re.search(rf"^ {constant.name} .* (published|derived|assumed|given) ", said.out, re.M), constant.name
    assert "45 (default 60)" in said.out
    assert re.search(r"^ 10 years +\d", said.out, re.M)
    assert all(len(line) <= 80 for line in said.out.splitlines())


def test_memory_show_gives_rates_over_voltage_where_there_is_one(command: Command) -> None:
    assert "0.55 V" in command("memory", "show", "sram").out
    assert "0.55 V" not in command("memory", "show", "pcm").out


def test_memory_rate_is_one_number_with_its_parts(command: Command) -> None:
    from hwsim.memory.device.error_rate import error_rate
    from hwsim.memory.life.mission import Condition
    from hwsim.memory.technology.constants import technology

    said = command("memory", "rate", "sram", "--voltage", "0.6V", "--age", "10y", "--temperature", "85C")
    expected = error_rate(technology("sram"), Condition(85, voltage_v=0.6), 10 * 365.25 * 86_400)
    assert said.out.startswith(f"{expected.total:.3e} of the cells are wrong")
    assert "after 10 years at 85 degC, 0.6 V" in " ".join(said.out.split())
    for name, part in expected.parts.items():
        assert re.search(rf"^ {name} +{part:.3e}", said.out, re.M)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["sram", "--voltage", "0.6"], ["0.6", "voltage", "'1 V'"]),
        (["sram", "--temperature", "-300C"], ["-300", "absolute zero"]),
        (["sram", "--age", "-1y"], ["age_s", "goes back in time"]),
        (["sram", "--refresh", "64ms"], ["--refresh", "no effect", "sram"]),
        (["stt_mram", "--voltage", "0.6V"], ["--voltage", "no effect", "stt_mram"]),
        (["stt_mram", "--set", "write_overdrive=1.2"], ["1.2", "from 1.5"]),
        (["stt_mram", "--set", "detla=45"], ["did you mean 'delta'"]),
        (["stt_mram", "--set", "delta=nan"], ["delta", "not a quantity"]),
        (["pcm", "--set", "bits_per_cell=3"], ["bits_per_cell = 3", "1 or 2"]),
        (["mram"], ["mram", "did you mean"]),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else value,
)
def test_wrong_input_of_memory_rate_is_one_sentence(command: Command, arguments: list[str], parts: list[str]) -> None:
    said = command("memory", "rate", *arguments)
    assert said.code == 2
    assert said.err.count("\n") == 1
    for part in parts:
        assert part in said.err


def test_memory_commands_import_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['hwsim', 'memory', 'rate', 'sram']\n"
        "from hwsim.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print(*sys.modules)"
    )
    assert "torch" not in in_python(code).split()


@pytest.mark.parametrize("name", sorted(scenario_library()))
def test_a_shown_scenario_is_the_file_that_can_be_run(command: Command, name: str) -> None:
    said = command("scenarios", "show", name)
    Path("mine.toml").write_text(said.out)
    assert load_scenario("mine.toml", [f"name={name}"]) == load_scenario(name)
    assert said.out == scenario_library()[name].read_text()


@pytest.mark.parametrize("option", ["--reads", "--cycles"])
def test_memory_rate_says_when_an_option_makes_no_difference(command: Command, option: str) -> None:
    assert f"{option} makes no difference to these cells." in command("memory", "rate", "dram", option, "9").out
    assert "no difference" not in command("memory", "rate", "nand_tlc", "--age", "1y", option, "9000").out


@pytest.mark.parametrize(
    "arguments",
    [["word", "0.1"], ["formats"], ["networks"], ["scenarios"], ["memory", "list"], ["memory", "show", "pcm"]],
)
def test_what_needs_no_torch_imports_none(arguments: list[str]) -> None:
    assert {"torch", "torchvision", "matplotlib"}.isdisjoint(loaded_by(arguments))
