"""A few hundred cases of `make fuzz`."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwsim.experiment.scenario import Scenario, settings_table
from tests.fuzz import KINDS, Maker, run


@pytest.mark.parametrize("part", range(4))
def test_inputs_that_are_nearly_right_end_in_a_result_or_in_one_short_sentence(part: int, tmp_path: Path) -> None:
    wrong = [f"{n}: {found}" for n in range(part * 100, part * 100 + 100) if (found := run(1, n, tmp_path))]
    assert not wrong


def test_every_setting_is_tried(tmp_path: Path) -> None:
    import random

    made = {".".join(place) for place in Maker(random.Random(0), tmp_path).places(Scenario)}
    assert {row.key for row in settings_table()} <= made
    assert len(set(KINDS)) == 8
