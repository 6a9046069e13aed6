"""Jobs run anywhere, each format and variant is made ready once, and trials are kept wherever a study is told to."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hwsim.experiment.results.plans import Plans
from hwsim.experiment.results.record import TrialRecord
from hwsim.experiment.results.results import Results
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.scenario.points import Trial, all_trials
from hwsim.experiment.studies import bench as benches
from hwsim.experiment.studies.bench import open_bench
from hwsim.experiment.studies.progress import silent
from hwsim.experiment.studies.run import STUDIES, run_job, run_scenario
from hwsim.experiment.studies.study import run_trials
from hwsim.experiment.studies.trials import one_thread
from hwsim.memory import Device, Memory

from .conftest import small
from .test_lifetime_study import life

PLANNED = {"name": "planned", "scaling": {}, "divide": "planned"}
CODED = {"name": "coded", "ecc": "secded", "formats": ["q2.5"]}
SCENARIOS = {
    "bare and coded": small(data={"images": 8}, trials={"fault_maps": 2}, variants=[PLANNED, CODED]),
    "devices": life(data={"images": 8}, mission={"at": ["25 degC", "60 degC"]}, variants=[PLANNED]),
}


@pytest.fixture(params=SCENARIOS)
def data(request: pytest.FixtureRequest) -> dict[str, Any]:
    return SCENARIOS[request.param]


def test_jobs_sent_elsewhere_give_the_records_of_the_run(tmp_path: Path, data: dict[str, Any]) -> None:
    """What is sent is the bench as it was opened; the jobs come one by one and in another order."""
    results = run_scenario(data, out=tmp_path)
    scenario = results.scenario
    expected = [json.loads(line) for line in (tmp_path / "trials.jsonl").read_text().splitlines()]
    with one_thread():
        bench = pickle.loads(pickle.dumps(open_bench(scenario, silent).bench))
        jobs = list(STUDIES[scenario.study].jobs(scenario))
        found = []
        for job in reversed(jobs):
            sent = pickle.loads(pickle.dumps(job))
            assert sent == job
            records = list(run_job(sent, bench))
            found += [trial.to_json() | record.to_json() for trial, record in zip(job.trials, records, strict=True)]
    for line in expected:
        del line["seal"]
    by_text = [sorted(json.dumps(line, sort_keys=True) for line in lines) for lines in (found, expected)]
    assert by_text[0] == by_text[1]


def test_a_job_without_what_is_done_gives_the_same_of_the_others() -> None:
    scenario = load_scenario(life(data={"images": 8}, variants=[]))
    bench = open_bench(scenario, silent).bench
    job = next(job for job in STUDIES["lifetime"].jobs(scenario) if len(job.trials) == 3)
    first, second, third = run_job(job, bench)
    assert list(run_job(job.without({job.trials[1]}), bench)) == [first, third]
    assert list(run_job(job.without(job.trials[1:]), bench)) == [first]
    assert second not in (first, third)


def test_each_variant_is_made_ready_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two variants and one device for each: two memories, and four devices, of which two are for the rehearsal."""
    made: Counter[str] = Counter()
    for kind in (Memory, Device):
        before = kind.__init__

        def counting(self: Any, *some: Any, before: Any = before, **more: Any) -> None:
            made[type(self).__name__] += 1
            before(self, *some, **more)

        monkeypatch.setattr(kind, "__init__", counting)
    harden = benches.store_weights
    monkeypatch.setattr(benches, "store_weights", lambda *some: made.update(["words"]) or harden(*some))
    run_scenario(life(data={"images": 2}, trials={"fault_maps": 1}), out=tmp_path)
    assert made == {"words": 2, "Memory": 2, "Device": 4}


def test_what_is_not_held_is_made_again_to_the_same_bytes(
    tmp_path: Path, data: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_scenario(data, out=tmp_path / "held")
    monkeypatch.setattr(benches, "HELD_WORDS", 1)
    run_scenario(data, out=tmp_path / "again")
    for file in (tmp_path / "held").iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_the_variants_that_run_first_are_held() -> None:
    scenario = load_scenario(small(data={"images": 2}, memory={"formats": ["q2.5", "fp16", "fp32"]}, variants=[]))
    bench = open_bench(scenario, silent).bench
    (variant,) = scenario.variants
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benches, "HELD_WORDS", 2 * 61_470)  # LeNet-5 twice
        ready = [bench.prepare(fmt, variant) for fmt in scenario.memory.formats]
        assert bench.prepare("q2.5", variant) is ready[0]
        assert bench.prepare("fp32", variant) is ready[2]
        assert bench.prepare("fp16", variant) is not ready[1]


class InMemory:
    """A store that no file is written for."""

    path = Path("nowhere")

    def __init__(self, finished: dict[Trial, TrialRecord] | None = None) -> None:
        self.records = finished or {}
        self.tables: dict[str, list[dict[str, Any]]] = {}

    def plans(self, environment: Any) -> Plans:
        return {}

    def begin(self, environment: Any, plans: Plans | None = None) -> dict[Trial, TrialRecord]:
        return dict(self.records)

    def append(self, trial: Trial, record: TrialRecord) -> None:
        assert trial not in self.records
        self.records[trial] = TrialRecord.from_json(json.loads(json.dumps(record.to_json())))
        assert self.records[trial] == record

    def write_table(self, name: str, columns: Any, rows: Any) -> None:
        assert all(set(row) == {column.name for column in columns} for row in rows)
        self.tables[name] = list(rows)


def test_a_study_runs_in_any_store(tmp_path: Path, data: dict[str, Any]) -> None:
    scenario = load_scenario(data)
    expected = run_scenario(scenario, out=tmp_path)
    whole, rest = InMemory(), InMemory()
    found = run_trials(STUDIES[scenario.study], scenario, whole, silent)
    assert (found.rows, found.counts, found.facts) == (expected.rows, expected.counts, expected.facts)
    assert whole.tables["results.csv"] == found.rows
    assert set(whole.records) == set(all_trials(scenario))
    rest.records = dict(list(whole.records.items())[::2])
    again: Results = run_trials(STUDIES[scenario.study], scenario, rest, silent)
    assert again.rows == found.rows
    assert rest.records == whole.records
