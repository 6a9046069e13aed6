"""Every command and code block of the README and of the manual runs, and prints what the page says it prints.

The blocks of one page run from top to bottom in one empty folder; its Python blocks share their names.

    ```python, ```bash         runs
    ```toml title="own.toml"   any block with a title is written to the file of that name
    ```text                    right behind a block that ran: its output, see `same_text`
    <!-- not run: REASON -->   right before a block: it needs a network connection, or a minute and more
"""

from __future__ import annotations

import contextlib
import importlib
import io
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

import pytest

import hwsim

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)(?P<options>[^\n`]*)\n(?P<text>.*?)^ *```$", re.M | re.S)
NOT_RUN = re.compile(r"<!-- not run: (?P<reason>[^>]{10,}) -->\s*$")
RUNS = {"python", "bash"}
SHOWS = {"text", "toml", "json", "csv", "latex"}


class Block(NamedTuple):
    line: int
    language: str
    text: str
    title: str | None
    skipped: bool
    behind: bool  # nothing but white space stands between the block above and this one


def blocks(page: Path) -> Iterator[Block]:
    source = page.read_text(encoding="utf-8")
    end = None
    for found in FENCE.finditer(source):
        title = re.search(r'title="([^"]+)"', found["options"])
        yield Block(
            line=source.count("\n", 0, found.start()) + 1,
            language=found["language"],
            text=dedent(found["text"]),
            title=title[1] if title else None,
            skipped=bool(NOT_RUN.search(source, 0, found.start())),
            behind=end is not None and not source[end : found.start()].strip(),
        )
        end = found.end()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_a_page_runs_and_prints_what_is_said(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("COLUMNS", "100")
    names: dict[str, Any] = {"__name__": "__main__"}
    output = None  # of the block above, if it ran
    for block in blocks(page):
        where = f"{page}:{block.line}"
        assert block.language in RUNS | SHOWS, f"{where}: say which language this block is in"
        if block.title is not None:
            Path(block.title).parent.mkdir(parents=True, exist_ok=True)
            Path(block.title).write_text(block.text, encoding="utf-8")
        elif block.language in RUNS and not block.skipped:
            output = run_python(block.text, where, names) if block.language == "python" else run_bash(block.text, where)
            continue
        elif block.language == "text" and block.behind and output is not None:
            assert same_text(block.text, output), f"{where}: the block above prints\n{output}\nnot\n{block.text}"
        output = None


def run_python(code: str, where: str, names: dict[str, Any]) -> str:
    printed = io.StringIO()
    page, _, line = where.rpartition(":")
    with contextlib.redirect_stdout(printed):
        exec(compile("\n" * int(line) + code, page, "exec"), names)
    return printed.getvalue()


def run_bash(code: str, where: str) -> str:
    command = ["bash", "-euo", "pipefail", "-c", code]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    assert done.returncode == 0, f"{where}: exit code {done.returncode}\n{done.stdout}"
    return done.stdout


def same_text(expected: str, found: str) -> bool:
    """Whether the words are the same; `...` stands for any words.

    Whole numbers, which count something, must be equal. Numbers with a decimal point may differ by 10 %, and those with
    one decimal, which are percentages, by 3: another processor sums in another order, and images may change sides.
    """
    parts = [part.split() for part in re.split(r"(?<!\S)\.\.\.(?!\S)", expected)]
    words = found.split()
    if len(parts) == 1:
        return _same_words(parts[0], words)
    first, *middle, last = parts
    if len(words) < len(first) + len(last) or not _same_words(first, words[: len(first)]):
        return False
    if last and not _same_words(last, words[-len(last) :]):
        return False
    words = words[len(first) : len(words) - len(last)]
    for part in middle:
        starts = range(len(words) - len(part) + 1)
        start = next((n for n in starts if _same_words(part, words[n : n + len(part)])), None)
        if start is None:
            return False
        words = words[start + len(part) :]
    return True


def _same_words(expected: list[str], found: list[str]) -> bool:
    return len(expected) == len(found) and all(map(_same_word, expected, found))


def _same_word(expected: str, found: str) -> bool:
    if expected == found:
        return True
    numbers = r"[-+]?\d+\.\d+(?:e[-+]?\d+)?"
    if re.sub(numbers, "#", expected) != re.sub(numbers, "#", found):
        return False
    pairs = zip(re.findall(numbers, expected), re.findall(numbers, found), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=0.1, abs_tol=3.0 if a[-2] == "." else 0.0) for a, b in pairs)


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        ("a  b\nc", "a b c\n", True),
        ("a ... d", "a b c d", True),
        ("a ... d", "a b c", False),
        ("...  b ... d", "a b c d", True),
        ("a ...", "a", True),
        ("a ... a", "a", False),
        ("92.5 %", "92.3 %", True),
        ("(92.5%)", "(82.1%)", False),
        ("[88.3,", "[88.0,", True),
        ("1.25e-3", "1.75e-3", False),
        ("1,234 divisions", "1,235 divisions", False),
    ],
)
def test_output_is_compared_word_by_word(expected: str, found: str, same: bool) -> None:
    assert same_text(expected, found) is same


def test_the_api_reference_holds_every_public_name() -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference" / "api").glob("*.md"))
    documented = set(re.findall(r"^::: ([\w.]+)$", pages, re.M))
    homes = {getattr(getattr(hwsim, name), "__module__", "") + "." + name for name in hwsim.__all__ if name[0] != "_"}
    assert homes <= documented


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_module_and_name_that_a_page_mentions_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [name for name in re.findall(r"(?<![/.\w-])hwsim(?:\.[A-Za-z]\w*)+", text) if not exists(name)] == []
    files = re.findall(r"(?<![\w./])(?:hwsim|tests|docs)/[\w/]+\.(?:py|toml|md)", text)
    assert [file for file in files if not (ROOT / file).exists()] == []


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part, None)
        return found is not None
    return False


def test_the_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []
