"""The glossary has every name that a setting takes for a protection, and a page of the manual behind every term."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.generated import on_page_markdown
from hwsim.datapath import WAYS
from hwsim.hardening.guards import GUARDS
from hwsim.memory.ecc import code_names
from hwsim.report.glossary import GLOSSARY
from hwsim.words import format_names

DOCS = Path(__file__).parents[1] / "docs"
PAGE = on_page_markdown((DOCS / "glossary.md").read_text(encoding="utf-8"))
ENTRIES = re.findall(r"^(?P<term>\S.*)\n:   (?P<text>(?:.+\n)+)", PAGE, re.M)


@pytest.mark.parametrize("name", sorted({*WAYS, *GUARDS, *code_names(), *format_names()}))
def test_every_name_of_a_way_a_guard_a_code_and_a_format_is_explained(name: str) -> None:
    fixed_point = re.fullmatch(r"q\d+\.\d+(_sm)?|qM\.N(_sm)?", name)
    assert f"`{'qM.N' if fixed_point else name}`" in PAGE


TERMS = (
    *("t,", "Scaling constant", "Bit error rate, BER", "Die,", "Way of dividing", "Alignment", "Guard", "Immune bits"),
    *("SECDED", "Codeword", "Miscorrection", "Vmin", "FIT", "Retention", "Read disturb", "Scrub", "Agreement", "Gap"),
)


@pytest.mark.parametrize("term", TERMS)
def test_a_term_of_the_manual_has_an_entry(term: str) -> None:
    assert sum(entry.startswith(term) for entry, _ in ENTRIES) == 1


@pytest.mark.parametrize(("term", "text"), ENTRIES, ids=[term for term, _ in ENTRIES])
def test_every_entry_is_short_and_names_the_page_that_says_more(term: str, text: str) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    assert links
    assert all((DOCS / link).is_file() for link in links)
    assert len(text) < 600


def test_the_manual_the_readme_and_the_tutorial_lead_to_it() -> None:
    root = DOCS.parent
    for page in (root / "mkdocs.yml", root / "README.md", DOCS / "index.md", DOCS / "tutorial.md"):
        assert "glossary.md" in page.read_text(encoding="utf-8"), page.name


def test_a_term_that_the_report_explains_is_marked_as_words_are_there() -> None:
    """A report has code in backticks and nothing else that a page of the manual may mark."""
    for terms in GLOSSARY.values():
        for term in terms:
            assert not re.search(r"[*\[\]<>]", term.text)
            assert term.text.count("`") % 2 == 0
