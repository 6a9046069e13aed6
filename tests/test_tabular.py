"""A table as text and as HTML holds every cell under its heading."""

from __future__ import annotations

import re

from hwsim.tabular import SHOWN, Tabular


def test_text_stands_at_the_left_and_numbers_at_the_right() -> None:
    table = Tabular("two rows", ["name", ">count"], [["a", "1"], ["longer", "1,000"]], "a note")
    assert table.text() == "two rows\nname    count\na           1\nlonger  1,000\na note"


def test_no_line_ends_in_blanks() -> None:
    table = Tabular("", ["name", "what"], [["a", "x"], ["b", "a long text"]])
    assert table.text() == "name  what\na     x\nb     a long text"


def test_a_total_stands_last_also_where_rows_are_left_out() -> None:
    rows = [[str(n)] for n in range(SHOWN + 5)]
    table = Tabular("", ["n"], rows, foot=["total"])
    assert table.text().splitlines() == ["n", *(cell for (cell,) in rows), "total"]
    assert re.findall(r"<td[^>]*>(\w+)</td>", table.html()) == [*(cell for (cell,) in rows[:SHOWN]), "total"]


def test_without_rows_only_what_is_said_is_printed() -> None:
    assert Tabular("nothing counted", (), ()).text() == "nothing counted"


def test_html_escapes_every_text() -> None:
    page = Tabular("<b>", ["<i>"], [["</td>&"]], "<hr>").html()
    assert set(re.findall(r"</?(\w+)", page)) == {"p", "table", "thead", "tbody", "tr", "th", "td"}
    assert '<td style="text-align: left">&lt;/td&gt;&amp;</td>' in page


def test_a_long_table_says_how_many_rows_are_left_out() -> None:
    page = Tabular("", ["n"], [[str(n)] for n in range(SHOWN + 1_234)]).html()
    assert page.count("<td") == SHOWN
    assert "and 1,234 more" in page
    assert "more" not in Tabular("", ["n"], [["1"]] * SHOWN).html()
