"""Problems of reading: one bad entry is listed, and the rest is read."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cdwidget
from cdwidget.formats.dataset import MAX_KEPT_PROBLEMS, Problems, ReadError, ReadProblem, naming


def labelme_file(path: Path, shape: object) -> None:
    Image.new("RGB", (40, 30)).save(path.with_suffix(".png"))
    content = {"imagePath": f"{path.stem}.png", "imageHeight": 30, "imageWidth": 40, "shapes": [shape]}
    path.write_text(json.dumps(content))


def test_a_broken_file_does_not_cost_the_others(tmp_path: Path) -> None:
    labelme_file(tmp_path / "a.json", {"label": "cat", "points": [[5, 5], [15, 5], [15, 15], [5, 15]], "shape_type": "polygon"})
    (tmp_path / "b.json").write_text("{")
    with pytest.warns(UserWarning, match=r"1 problem: .*b\.json: "):
        dataset = cdwidget.read("labelme", tmp_path)
    assert [Path(item.path).name for item in dataset] == ["a.png"] and dataset.format == "labelme"
    (problem,) = dataset.problems
    assert problem.file == str(tmp_path / "b.json") and "JSON" in problem.message
    with pytest.raises(ReadError, match=r"b\.json"):
        cdwidget.read("labelme", tmp_path, strict=True)
    added = cdwidget.Catalogue(tmp_path / "labels.db").import_("labelme", tmp_path)
    assert (added.items, list(added.problems)) == (1, [problem])


def test_a_data_set_without_a_readable_entry_raises(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.json").write_text("{")
    with pytest.raises(ValueError, match=r"nothing in .* can be read: 2 problems: .*a\.json.*b\.json"):
        cdwidget.read("labelme", tmp_path)


def test_ten_thousand_problems_are_kept_and_all_are_counted() -> None:
    problems = Problems()
    for number in range(MAX_KEPT_PROBLEMS + 5):
        problems.add("it is bad", file="a.json", annotation=number)
    assert (len(problems), problems.total) == (MAX_KEPT_PROBLEMS, MAX_KEPT_PROBLEMS + 5)
    assert str(problems).startswith("10,005 problems: a.json, annotation 0: it is bad; ") and str(problems).endswith("; and 10,002 more")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("a.json: line 3 is bad"), "line 3 is bad"),
        (np.exceptions.AxisError("axis 3"), "axis 3"),
        (OverflowError("too large"), "OverflowError: too large"),
        (RecursionError("deep"), "it is nested too deeply"),
        (MemoryError(), "it needs more memory than there is"),
        (KeyError("points"), "KeyError: 'points'"),
    ],
)
def test_errors_of_any_type_become_problems(error: Exception, message: str) -> None:
    problems = Problems()
    with problems.skipping("a.json", "a.png", 7, advice="remove it"):
        raise error
    assert list(problems) == [ReadProblem("a.json", "a.png", "7", message, "remove it")]
    assert str(problems[0]) == f"a.json, image a.png, annotation 7: {message}; remove it"
    with pytest.raises(ReadError) as caught, Problems(strict=True).skipping("a.json"):
        raise error
    assert pickle.loads(pickle.dumps(caught.value)).problem == caught.value.problem


def test_the_innermost_entry_is_named() -> None:
    with pytest.raises(ReadError, match=r"^a\.json, image a\.png, annotation 7: bad$"), naming("a.json"), naming("a.json", "a.png", 7):
        raise ValueError("bad")


def test_an_interrupt_is_no_problem_of_the_data() -> None:
    with pytest.raises(KeyboardInterrupt), Problems().skipping("a.json"):
        raise KeyboardInterrupt
