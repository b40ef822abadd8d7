"""Jobs on this machine: saving, resuming, and reports of failures of one item or of all."""

import signal
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cdwidget
from cdwidget import Catalogue, Instance, Item
from cdwidget.catalogue import OVERALL_SCORE, ScoreValue
from support.batch_programs import (
    BrightModel,
    BrightPredictor,
    calls,
    catalogue_of,
    kill_while_scoring,
    log_of,
    score,
    scored,
    square,
    start_scoring,
    wait_for,
)

ALL_IDS = {1, 2, 3, 4, 5, 6}


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return catalogue_of(tmp_path)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_is_processed_once(catalogue: Catalogue, workers: int) -> None:
    report = score(catalogue, workers=workers)
    assert (report.done, report.skipped, report.failed) == (6, 0, []) and report.seconds > 0
    assert calls(catalogue) == dict.fromkeys(ALL_IDS, 1)
    assert {one.name for one in catalogue.scores(1)} > {OVERALL_SCORE, "agreement"}
    assert [row.id for row in catalogue.query(order_by="-score") if row.score is not None]
    again = score(catalogue, workers=workers)
    assert (again.done, again.skipped) == (0, 6) and calls(catalogue) == dict.fromkeys(ALL_IDS, 1)


def test_the_real_model_scores(catalogue: Catalogue) -> None:
    report = cdwidget.run(cdwidget.Score(), catalogue, [2, 1])
    assert report.done == 2 and scored(catalogue) == {1, 2}
    assert cdwidget.run(cdwidget.Score(model="cdnet-tiny@no-cascade"), catalogue, [2]).skipped == 1, "the same weights under another name"


def test_a_score_that_no_longer_applies_is_removed(catalogue: Catalogue) -> None:
    catalogue.put_scores(1, [ScoreValue(1, "heads", 0.9), ScoreValue(1, OVERALL_SCORE, 1.0), ScoreValue(1, "mine", 0.4)])
    assert cdwidget.run(cdwidget.Score(["edges"], None), catalogue, [1]).done == 1
    assert {one.name for one in catalogue.scores(1)} == {"heads", OVERALL_SCORE, "mine", "edges"}, "only the requested scores change"
    assert cdwidget.run(cdwidget.Score(model=None), catalogue, [1]).done == 1
    names = {one.name for one in catalogue.scores(1)}
    assert "heads" not in names, "it needs a model"
    assert {"mine", "edges", OVERALL_SCORE} < names and catalogue.scores(1)[0].value != 1.0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_resumes(catalogue: Catalogue, workers: int) -> None:
    before = kill_while_scoring(catalogue, "local", workers, seconds=0.2)
    assert 3 <= len(before) < 6
    report = score(catalogue, workers=workers)
    assert (report.done, report.skipped) == (6 - len(before), len(before)) and scored(catalogue) == ALL_IDS
    count = calls(catalogue)
    assert all(count[item] == 1 for item in before), "saved items are not processed again"
    assert count.total() <= 6 + workers + 1, "only items in progress are processed twice"


def test_ctrl_c_stops_a_run(catalogue: Catalogue) -> None:
    process = start_scoring(catalogue, "local", 2, seconds=1)
    wait_for(catalogue, 2, process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode != 0 and said.count("Traceback") == 1 and "KeyboardInterrupt" in said, "no worker prints a traceback"
    assert sqlite3.connect(catalogue.path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    before = scored(catalogue)
    assert score(catalogue).done == 6 - len(before) and scored(catalogue) == ALL_IDS


def test_one_run_of_a_job_at_a_time(catalogue: Catalogue) -> None:
    process = start_scoring(catalogue, "local", 1, seconds=0.3)
    wait_for(catalogue, 1, process)
    with pytest.raises(OSError, match="another process is running the job 'score'"):
        score(catalogue)
    assert cdwidget.run(cdwidget.Prelabel("boxes", BrightModel(str(log_of(catalogue)))), catalogue, [6]).done == 1, "another job may run"
    output, said = process.communicate()
    assert "items done" in output, said
    score(catalogue)
    assert scored(catalogue) == ALL_IDS


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_item_is_listed(catalogue: Catalogue, workers: int) -> None:
    folder = catalogue.path.parent
    (folder / "2.png").unlink()
    (folder / "3.png").write_bytes((folder / "3.png").read_bytes()[:60])
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(folder / "4.png")
    report = score(catalogue, workers=workers, raises=(5,))
    assert report.done == 2 and scored(catalogue) == {1, 6}
    said = {one.item: one.description for one in report.failed}
    assert sorted(said) == [2, 3, 4, 5] and "no file" in said[2] and "cannot be read" in said[3] and "9x9" in said[4]
    assert said[5].startswith("RuntimeError: the model failed (batch_programs.py, line")
    noted = {row.id: row.problem.partition(":")[0] for row in catalogue.query(where=[("problem", "!=", None)])}
    assert noted == {2: "missing", 3: "corrupt", 4: "changed"}
    Image.fromarray(np.full((48, 48, 3), 2, np.uint8)).save(folder / "2.png")
    assert score(catalogue, workers=workers).done == 2, "items 2 and 5 are retried"
    assert catalogue.rows([2])[0].score is not None


def test_an_item_that_kills_its_worker(catalogue: Catalogue) -> None:
    report = score(catalogue, workers=2, dies=(3,))
    assert [one.item for one in report.failed] == [3] and "exited with code 7" in report.failed[0].description
    assert report.done == 5 and scored(catalogue) == ALL_IDS - {3}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_cannot_be_loaded(catalogue: Catalogue, workers: int) -> None:
    with pytest.raises(ValueError, match="these are no weights"):
        score(catalogue, workers=workers, unloadable=True)


def test_a_repaired_item_is_scored_again_and_an_accepted_one_is_not(catalogue: Catalogue) -> None:
    catalogue.add([Item(catalogue.path.parent / "1.png"), Item(catalogue.path.parent / "nothing.png")])
    score(catalogue)
    catalogue.set_status([1, 2], "accepted")
    catalogue.update(3, [Instance(square(), "box", 1)])
    catalogue.update(4, [*catalogue.item(4).instances, Instance(square(4, 6), "dot")])
    catalogue.update(5, [])
    catalogue.update(6, list(catalogue.item(6).instances))
    log_of(catalogue).unlink()
    report = score(catalogue)
    assert report.done == 3 and calls(catalogue) == {3: 1, 4: 1}, "item 5 is empty"
    catalogue.undo(3)
    catalogue.add([Item(catalogue.path.parent / "nothing.png", [Instance(square(), "box")])])
    Image.fromarray(np.full((48, 48, 3), 7, np.uint8)).save(catalogue.path.parent / "nothing.png")
    assert score(catalogue).done == 2 and calls(catalogue)[3] == 2 and calls(catalogue)[7] == 1


class EditingPredictor(BrightPredictor):
    """Another user edits item 2 while it is processed."""

    def set_image(self, image: np.ndarray) -> None:
        super().set_image(image)
        if image[0, 0, 0] == 2:
            with Catalogue(Path(self.log).with_name("labels.db"), user="eva") as catalogue:
                catalogue.update(2, [Instance(square(2, 9), "theirs", 1)], status="accepted")


def test_a_concurrent_change_is_not_overwritten(catalogue: Catalogue) -> None:
    model = EditingPredictor(str(log_of(catalogue)))
    for job in (cdwidget.Score(model=model), cdwidget.Prelabel("boxes", model)):
        Catalogue(catalogue.path).update(2, [Instance(square(30, 5), "mine", 1)], status="new")
        report = cdwidget.run(job, catalogue, [1, 2])
        assert (report.done, report.changed, report.failed) == (1, 1, []) and "run it again" in str(report)
        assert [one.label for one in catalogue.item(2).instances] == ["theirs"] and catalogue.rows([2])[0].score is None
    assert score(catalogue).done == 6 and scored(catalogue) == ALL_IDS


def test_other_settings_and_again(catalogue: Catalogue) -> None:
    score(catalogue)
    model = BrightModel(str(log_of(catalogue)))
    assert cdwidget.run(cdwidget.Score(["heads"], model), catalogue).done == 6
    assert cdwidget.run(cdwidget.Score(["heads"], model), catalogue, [3, 1], again=True).done == 2
    assert cdwidget.run(cdwidget.Score(["heads"], model), catalogue).skipped == 6
    assert cdwidget.run(cdwidget.Score(model=None), catalogue, [1]).done == 1, "only the scores that need no model"
    assert calls(catalogue) == {1: 3, 2: 2, 3: 3, 4: 2, 5: 2, 6: 2}


def test_new_weights_of_the_overall_score_invalidate_all_scores(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    assert score(catalogue).done == 6 and score(catalogue).done == 0
    monkeypatch.setattr("cdwidget.batch.jobs.WEIGHTS", catalogue.path)
    assert score(catalogue).done == 6


def test_a_full_disk_stops_a_run_and_loses_nothing(tmp_path: Path) -> None:
    catalogue = catalogue_of(tmp_path, 20)
    catalogue.close()
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))"
    process = start_scoring(catalogue, "local", 1, 0.0, limit)
    _, said = process.communicate()
    assert process.returncode and "cannot be read or written" in said and "items are done and saved; repeat the call to resume" in said
    before = scored(catalogue)
    kept = int(said.rpartition(" of 20 items are done")[0].split()[-1])
    assert len(before) == kept < 20
    assert score(catalogue).done == 20 - kept and len(scored(catalogue)) == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backend": "locale"}, "did you mean 'local'"),
        ({"workers": 0}, "workers is 0"),
        ({"address": "auto"}, "backend='ray'"),
        ({"ids": [1, 99]}, r"there are no items \[99\]"),
    ],
)
def test_a_wrong_argument_is_explained(catalogue: Catalogue, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cdwidget.run(cdwidget.Score(model=None), catalogue, **arguments)
    assert not scored(catalogue)


@pytest.mark.parametrize(
    ("job", "error", "message"),
    [
        (cdwidget.Score(["hedas"]), ValueError, "did you mean 'heads'"),
        (cdwidget.Score(model="cdnet-tinny"), ValueError, "cdnet-tiny"),
        (cdwidget.Score(model="none.safetensors"), FileNotFoundError, "none.safetensors"),
        (cdwidget.Prelabel("boxen"), ValueError, "did you mean 'boxes'"),
        (cdwidget.Prelabel(points={}), ValueError, "from_='points'"),
        (cdwidget.Prelabel(model=None), ValueError, "needs a model"),
    ],
)
def test_a_wrong_job_is_explained(catalogue: Catalogue, job: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        cdwidget.run(job, catalogue)  # type: ignore[arg-type]


def test_every_backend_has_a_docstring() -> None:
    assert all(backend.__doc__ for backend in cdwidget.batch.BACKENDS.values())
