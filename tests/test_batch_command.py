"""Jobs on the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cdwidget import Catalogue
from cdwidget.cli.app import app
from support.batch_programs import catalogue_of, scored, square


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    monkeypatch.chdir(tmp_path)
    return catalogue_of(tmp_path, 3)


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "400"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_prelabel_and_score(catalogue: Catalogue) -> None:
    catalogue.set_status(3, "accepted")
    code, output = invoke("prelabel", "labels.db", "--from", "boxes", "--status", "new")
    assert code == 0 and "2 items done" in output
    assert (catalogue.item(3).instances[0].mask == square(10, 24)).all()
    (catalogue.path.parent / "2.png").unlink()
    code, output = invoke("score", "labels.db", "--names", "heads, overall", "--model", "cdnet-tiny@no-cascade")
    assert code == 0 and "2 items done, 0 skipped, 1 failed" in output and "item 2, " in output and "there is no file" in output
    assert scored(catalogue) == {1, 3} and set(catalogue.score_names()) == {"heads", "overall"}
    code, output = invoke("score", "labels.db", "--names", "overall,heads", "--label", "box")
    assert code == 0 and "0 items done, 2 skipped" in output
    code, output = invoke("prelabel", "labels.db", "--from", "boxes", "--again", "--overwrite", "--status", "accepted")
    assert code == 0 and "1 items done" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score", "nowhere.db"], "there is no catalogue nowhere.db"),
        (["score", "labels.db", "--model", "cdnet-tinny"], "cdnet-tiny"),
        (["score", "labels.db", "--names", "hedas"], "did you mean 'heads'"),
        (["score", "labels.db", "--backend", "dask"], "no backend named 'dask'"),
        (["score", "labels.db", "--workers", "0"], "--workers"),
        (["score", "labels.db", "--address", "auto"], "backend='ray'"),
        (["score", "labels.db", "--status", "good"], "no status named 'good'"),
        (["score", "1.png"], "1.png is not a catalogue"),
        (["prelabel", "labels.db", "--from", "boxen"], "did you mean 'boxes'"),
        (["prelabel", "labels.db", "--from", "points", "--points", "nowhere.csv"], "nowhere.csv"),
        (["prelabel", "labels.db", "--points", "1.png"], "from_='points'"),
    ],
)
def test_a_wrong_option_is_explained(catalogue: Catalogue, arguments: list[str], message: str) -> None:
    code, output = invoke(*arguments)
    assert code == 2 and message in output
