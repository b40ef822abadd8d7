"""The same jobs on Ray, running on this machine."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

import cdwidget
from cdwidget import Catalogue
from support.batch_programs import BrightModel, calls, catalogue_of, kill_while_scoring, score, scored

ALL_IDS = {1, 2, 3, 4, 5, 6}
pytestmark = pytest.mark.timeout(900)  # seconds; a busy machine takes a minute to start Ray


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return catalogue_of(tmp_path)


@pytest.fixture(scope="module")
def started() -> Iterator[str]:
    """Return the address of a Ray started by the user."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_BACKEND_LOG_LEVEL="fatal")
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100 * 2**20, log_to_driver=False)
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


def test_a_killed_run_resumes(catalogue: Catalogue) -> None:
    """Each run starts and stops Ray itself."""
    before = kill_while_scoring(catalogue, "ray", 1, seconds=0.5)
    assert 3 <= len(before) < 6
    report = score(catalogue, "ray")
    assert (report.done, report.skipped) == (6 - len(before), len(before)) and scored(catalogue) == ALL_IDS
    count = calls(catalogue)
    assert all(count[item] == 1 for item in before), "saved items are not processed again"
    assert not ray.is_initialized()


def test_a_running_ray_processes_every_item_once(started: str, catalogue: Catalogue) -> None:
    report = score(catalogue, "ray", workers=2)
    assert (report.done, report.failed) == (6, []) and calls(catalogue) == dict.fromkeys(ALL_IDS, 1)
    assert ray.is_initialized(), "the user's Ray keeps running"
    assert score(catalogue, "ray").skipped == 6


def test_the_real_model_gives_the_same_scores(started: str, catalogue: Catalogue) -> None:
    cdwidget.run(cdwidget.Score(), catalogue, [1], backend="ray")
    there = [(one.name, pytest.approx(one.value, abs=1e-3)) for one in catalogue.scores(1)]
    cdwidget.run(cdwidget.Score(), catalogue, [1], again=True)
    assert [(one.name, one.value) for one in catalogue.scores(1)] == there


def test_a_failing_item_is_listed(started: str, catalogue: Catalogue) -> None:
    (catalogue.path.parent / "2.png").unlink()
    report = score(catalogue, "ray", raises=(5,))
    assert report.done == 4 and scored(catalogue) == ALL_IDS - {2, 5}
    said = {one.item: one.description for one in report.failed}
    assert sorted(said) == [2, 5] and "no file" in said[2] and "the model failed" in said[5]
    assert catalogue.rows([2])[0].problem.startswith("missing")


def test_an_item_that_kills_its_worker(started: str, catalogue: Catalogue) -> None:
    report = score(catalogue, "ray", dies=(3,))
    assert [one.item for one in report.failed] == [3] and "the worker process died 2 times" in report.failed[0].description
    assert report.done == 5 and scored(catalogue) == ALL_IDS - {3}


def test_a_model_that_cannot_be_loaded(started: str, catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match="these are no weights"):
        score(catalogue, "ray", unloadable=True)


def test_masks_are_predicted(started: str, catalogue: Catalogue) -> None:
    job = cdwidget.Prelabel("boxes", BrightModel(str(catalogue.path.with_name("calls.txt"))))
    assert cdwidget.run(job, catalogue, backend="ray").done == 6
    assert [record.area for item in catalogue.items() for record in item.records] == [400] * 6
    assert catalogue.undo(1)


def test_at_an_address(started: str, catalogue: Catalogue) -> None:
    code = f"""
from cdwidget import Catalogue
from support.batch_programs import score
print(score(Catalogue({str(catalogue.path)!r}), "ray", address={started!r}))
"""
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths})
    assert "6 items done" in done.stdout, done.stderr
    assert scored(catalogue) == ALL_IDS


def test_a_remote_client_address_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match="run this on a machine of the cluster"):
        score(catalogue, "ray", address="ray://10.0.0.1:10001")
