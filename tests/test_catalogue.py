"""Catalogue: import, queries, scores, statuses, image checks, export and file format."""

import json
import os
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

import cdwidget
from cdwidget import Catalogue, Instance, Item
from cdwidget.catalogue import ScoreValue, schema
from cdwidget.formats import FORMATS

ODD_NAMES = ['it\'s "quoted".png', "<img src=x onerror=alert(1)>.png", "🐈‍⬛ ünï.png", "%_; DROP TABLE items;--.png", "x" * 250 + ".png"]
LONG_LABEL = "<script>'\"🐈" + "ä" * 290


def square(x: int, y: int, side: int = 8) -> np.ndarray:
    mask = np.zeros((30, 40), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def picture(path: Path, shade: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((30, 40, 3), shade, np.uint8)).save(path)
    return path


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    """Four images with 0, 1, 2 and 1 instances; the last instance is a ring and a separate square."""
    ring = square(2, 2, 12) & ~square(5, 5, 4) | square(25, 20, 5)
    instances = [
        [],
        [Instance(square(3, 4), "cat")],
        [Instance(square(3, 4), "cat"), Instance(square(20, 10), "dog")],
        [Instance(ring, LONG_LABEL)],
    ]
    return [Item(picture(tmp_path / "images" / f"{n}.png"), own) for n, own in enumerate(instances)]


@pytest.fixture
def catalogue(tmp_path: Path, items: list[Item]) -> Catalogue:
    found = Catalogue(tmp_path / "labels.db", user="ana")
    found.add(items)
    return found


def masks(items: list[Item]) -> dict[str, list[tuple[str, bytes]]]:
    return {Path(item.path).stem: [(one.label, one.mask.tobytes()) for one in item.instances] for item in items}


def test_added_items_are_read_back(catalogue: Catalogue, items: list[Item]) -> None:
    assert masks(list(catalogue.items())) == masks(items)
    (row,) = catalogue.query(where=[("path", "contains", "2.png")])
    assert (row.instances, row.status, row.height, row.width) == (2, "new", 30, 40)
    cat, dog = catalogue.query(of="instances", where=[("item", "=", row.id)])
    assert (cat.label, cat.area, cat.bbox) == ("cat", 64, (3, 4, 11, 12)) and dog.number == 2


def test_adding_again_changes_nothing(catalogue: Catalogue, items: list[Item], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    catalogue.set_status(3, "accepted")
    monkeypatch.chdir(tmp_path)
    again = catalogue.add([*items, Item("images/../images/3.png", items[2].instances)])
    assert (again.items, again.instances, len(catalogue)) == (0, 0, 4)
    assert catalogue.query("accepted")[0].id == 3
    assert catalogue.add([Item(items[0].path, items[1].instances)]).instances == 1, "an image without masks gets masks that are added later"


def test_alpha_and_crowd_flags_are_stored(tmp_path: Path) -> None:
    from cdwidget.formats.coco import Crowd

    alpha = np.arange(1200, dtype=np.uint16).astype(np.uint8).reshape(30, 40)
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add([Item(tmp_path / "a.png", [Instance(square(1, 1), alpha=alpha), Crowd(square(9, 9))])])
    soft, crowd = catalogue.item(1).instances
    assert soft.alpha is not None and (soft.alpha == alpha).all() and isinstance(crowd, Crowd)


def test_invalid_masks_are_reported_and_omitted(tmp_path: Path) -> None:
    bad = [Instance(np.zeros((3, 3)) + 7.0), Instance(square(1, 1)), Instance(np.ones((5, 5), bool)), Instance(square(2, 2), "\ud800")]
    added = Catalogue(tmp_path / "labels.db").add([Item("a.png", bad), Item("b\udc80.png"), Item("c.png")])
    assert (added.items, added.instances, len(added.problems)) == (2, 1, 4)
    assert all("a.png" in str(problem) for problem in added.problems[:3]) and "not valid Unicode" in str(added.problems[3])


@pytest.mark.parametrize("name", [*ODD_NAMES, "a" * 300 + ".png"])
def test_unusual_names_and_labels_are_plain_text(tmp_path: Path, name: str) -> None:
    catalogue = Catalogue(tmp_path / "labels.db")
    path = tmp_path / name
    if len(name) < 256:
        picture(path)
    catalogue.add([Item(path, [Instance(square(1, 1), LONG_LABEL)])], tags=[name])
    for of in ("items", "instances"):
        (row,) = catalogue.query(label=LONG_LABEL, tag=name, where=[("path", "contains", name)], of=of)
        assert row.path == str(path)
    assert catalogue.labels() == [LONG_LABEL] and catalogue.tags() == [name]
    if len(name) < 256:
        session = catalogue.session(1)
        session.select(1)
        session.relabel(name)
        catalogue.update(1, session)
        assert catalogue.query(label=name, of="instances")
        COCO(str(catalogue.export("coco", tmp_path / "out.json")))
    else:
        assert catalogue.check()[0].description.startswith("missing")


@pytest.mark.parametrize("text", ["' OR 1=1 --", "x); DROP TABLE items; --", '"', "%", "\\"])
def test_nothing_is_injected(catalogue: Catalogue, text: str) -> None:
    assert catalogue.query(label=text) == catalogue.query(tag=text) == catalogue.query(where=[("path", "=", text)]) == []
    for wrong in ({"order_by": text}, {"where": [(text, "=", 1)]}, {"where": [("id", text, 1)]}, {"status": text}, {"of": text}):
        with pytest.raises(ValueError, match="there are"):
            catalogue.query(**wrong)
    assert len(catalogue) == 4


def test_pages_agree_with_the_unpaged_query(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add([Item(f"{n}.png", [Instance(square(n % 20, 3, 1 + i), f"c{(n + i) % 3}") for i in range(n % 4)]) for n in range(60)])
    for row in catalogue.query(of="instances", limit=None):
        names = ["overall", "edge"][: int(rng.integers(0, 3))]
        catalogue.put_scores(row.item, [ScoreValue(row.number, name, float(rng.integers(0, 5))) for name in names])
        catalogue.set_status(row.id, str(rng.choice(["new", "accepted"])), of="instances")
    catalogue.tag([3, 7, 11], "odd")
    filters = [{}, {"status": "new"}, {"label": "c1"}, {"status": ["new", "accepted"], "label": ["c0", "c2"]}, {"tag": "odd"}]
    for of, orders in {
        "items": ["id", "score", "status", "path", "changed"],
        "instances": ["label", "area", "score", "edge", "id"],
    }.items():
        for order in [sign + order for order in orders for sign in ("", "-")]:
            for kept in filters:
                every = catalogue.query(of=of, order_by=order, limit=None, **kept)
                ids = [row.id for row in every]
                assert len(set(ids)) == len(ids)
                if order != "edge" and order != "-edge":
                    assert len(ids) == catalogue.count(of=of, **kept)
                assert ids == catalogue.ids(of=of, order_by=order, **kept).tolist()
                paged: list[int] = []
                while page := catalogue.query(of=of, order_by=order, limit=7, after=paged[-1] if paged else None, **kept):
                    paged += [row.id for row in page]
                assert (
                    paged
                    == ids
                    == [r.id for at in range(0, 99, 9) for r in catalogue.query(of=of, order_by=order, limit=9, offset=at, **kept)]
                )
                values = [getattr(row, order.lstrip("-"), None) for row in every]
                keys = [float("-inf") if value is None else value for value in values]
                assert keys == sorted(keys, reverse=order.startswith("-"))


@pytest.mark.parametrize("selective_rows", [0, 10_000])
def test_filters_give_the_same_result_with_every_index(catalogue: Catalogue, selective_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdwidget.catalogue.query.MAX_SELECTIVE_ROWS", selective_rows)
    catalogue.tag([2, 3], "night")
    catalogue.put_scores(3, [ScoreValue(1, "edge", 2.0), ScoreValue(2, "edge", 1.0)])
    assert [row.id for row in catalogue.query(label="cat", tag="night", order_by="-id")] == [3, 2]
    assert [row.number for row in catalogue.query(of="instances", tag="night", order_by="-edge")] == [1, 2]
    assert catalogue.count(label=["cat", "dog"], of="instances", where=[("path", "contains", "2.PNG")]) == 2
    assert catalogue.count(label="cat", status="new", tag=["night", "day"]) == 2


def test_scores_and_heat_maps(catalogue: Catalogue) -> None:
    heat = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert catalogue.put_scores(3, [ScoreValue(2, "overall", 0.7, "a straight cut", heat), ScoreValue(1, "overall", 0.2)], version=0)
    (first, second) = catalogue.scores(3)
    assert (second.value, second.reason, first.heat) == (0.7, "a straight cut", None) and (second.heat == heat).all()
    assert [row.score for row in catalogue.query(order_by="-score")] == [0.7, None, None, None]
    assert catalogue.query(of="instances", order_by="-overall")[0].number == 2
    assert catalogue.score_names() == ["overall"]
    catalogue.put_scores(3, [ScoreValue(1, "edge", 0.5), ScoreValue(2, "edge", 0.4)])
    catalogue.put_scores(3, [ScoreValue(2, "overall", 0.3)], names=["overall"])  # Instance 1 gets no value this time.
    assert [(one.instance, one.name, one.value) for one in catalogue.scores(3)] == [(1, "edge", 0.5), (2, "edge", 0.4), (2, "overall", 0.3)]
    assert [row.score for row in catalogue.query(of="instances", where=[("item", "=", 3)])] == [None, 0.3]
    assert catalogue.rows([3])[0].score == 0.3
    catalogue.set_status(3, "skipped")
    assert not catalogue.put_scores(3, [ScoreValue(1, "overall", 0.9)], version=0), "the item changed while it was scored"
    for wrong in (ScoreValue(9, "overall", 1.0), ScoreValue(1, "overall", float("nan"))):
        with pytest.raises(ValueError, match="no instance of item 3"):
            catalogue.put_scores(3, [wrong])


def test_the_status_of_an_item_follows_from_its_instances(catalogue: Catalogue) -> None:
    first, second = (row.id for row in catalogue.query(of="instances", where=[("item", "=", 3)]))
    catalogue.set_status(first, "rejected", of="instances")
    assert catalogue.item(3).status == "new"
    catalogue.set_status(second, "accepted", of="instances")
    assert catalogue.item(3).status == "accepted"
    assert catalogue.undo(3) and catalogue.undo(3) and not catalogue.undo(3)
    assert {row.status for row in catalogue.query(of="instances")} == {"new"}
    catalogue.set_status([1, 2], "skipped")
    assert catalogue.count("skipped") == 2 and catalogue.history(1)[0].user == "ana"
    with pytest.raises(ValueError, match=r"no items \[99\]"):
        catalogue.set_status([1, 99], "new")


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_every_format_is_exported_and_imported(catalogue: Catalogue, items: list[Item], format: str, tmp_path: Path) -> None:
    out = catalogue.export(format, tmp_path / "out", ids=[2, 3, 4])
    other = Catalogue(tmp_path / "other.db")
    assert other.import_(format, out).items == 3
    expected = masks(list(cdwidget.read(format, cdwidget.write(format, items[1:], tmp_path / "plain"))))
    assert masks(list(other.items())) == expected


def test_pycocotools_reads_an_exported_file(catalogue: Catalogue, items: list[Item], tmp_path: Path) -> None:
    catalogue.set_status(2, "rejected")
    path = catalogue.export("coco", tmp_path / "new folder" / "out.json", labels={"dog": 7})
    found = COCO(str(path))
    assert [found.imgs[n]["file_name"] for n in sorted(found.imgs)] == [f"../images/{n}.png" for n in range(4)]
    got = [found.annToMask(found.anns[n]).astype(bool) for n in sorted(found.anns)]
    assert [mask.tobytes() for mask in got] == [one.mask.tobytes() for item in items[2:] for one in item.instances]
    assert found.cats[7]["name"] == "dog" and found.cats[found.anns[2]["category_id"]]["name"] == "dog"
    assert len(json.loads(catalogue.export("coco", path, rejected=True).read_text())["annotations"]) == 4
    assert COCO(str(path)).cats[7]["name"] == "dog"


def test_run_lengths_of_coco_are_stored_unchanged(tmp_path: Path) -> None:
    plain, polygon = {"size": [2, 3], "counts": [1, 2, 3]}, [[0, 0, 3, 0, 3, 2, 0, 2]]
    shapes = [{"size": [2, 3], "counts": "123"}, {"size": [2, 3], "counts": "02100"}, polygon, plain, {"size": [2, 3], "counts": "12P"}]
    annotations = [{"id": n, "image_id": 1, "category_id": 1, "segmentation": shape} for n, shape in enumerate(shapes, 5)]
    images = [{"id": 1, "file_name": "a.png", "height": 2, "width": 3}]
    Image.new("RGB", (3, 2)).save(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "x"}]}))
    catalogue = Catalogue(tmp_path / "labels.db")
    added = catalogue.import_("coco", tmp_path / "a.json")
    rows = catalogue.query(of="instances")
    assert [(row.number, row.area, row.bbox) for row in rows] == [
        (5, 2, (0, 0, 2, 2)),
        (6, 4, (0, 0, 3, 2)),
        (7, 6, (0, 0, 3, 2)),
        (8, 2, (0, 0, 2, 2)),
    ]
    assert catalogue.item(1).records[0].counts == "123", "as it was in the file"
    assert len(added.problems) == 1 and "9" in str(added.problems[0])


def test_data_frames(catalogue: Catalogue) -> None:
    catalogue.put_scores(3, [ScoreValue(2, "edge", 0.5)])
    frame = catalogue.to_pandas(label=["cat", "dog"])
    assert list(frame.label) == ["cat", "cat", "dog"] and frame.score_edge.dropna().tolist() == [0.5]
    assert list(catalogue.to_pandas(of="items").instances) == [0, 1, 2, 1]
    assert "cat 2, <script>" in str(catalogue.stats()) and "score edge: 1" in str(catalogue.stats())


def test_missing_and_corrupt_images_are_reported(catalogue: Catalogue, tmp_path: Path) -> None:
    images = tmp_path / "images"
    (images / "0.png").unlink()
    (images / "1.png").write_bytes(b"no picture")
    Image.new("RGB", (7, 7)).save(images / "2.png")
    whole = (images / "3.png").read_bytes()
    (images / "3.png").write_bytes(whole[:-30])
    assert [(one.item, one.description.partition(":")[0]) for one in catalogue.check()] == [(1, "missing"), (2, "corrupt"), (3, "changed")]
    assert [one.item for one in catalogue.check(decode=True)] == [1, 2, 3, 4]
    assert catalogue.count(where=[("problem", "!=", None)]) == 4
    for item, words in ((1, "relocate"), (2, "check"), (3, "item 3")):
        with pytest.raises((FileNotFoundError, ValueError), match=words):
            catalogue.session(item)
    with pytest.warns(UserWarning, match="4 items were not exported"):
        assert catalogue.export("yolo", tmp_path / "out")
    (images / "3.png").write_bytes(whole)
    assert len(catalogue.check(decode=True)) == 3


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_two_names_of_one_file_are_reported(tmp_path: Path, link: Callable[[Path, Path], None]) -> None:
    first = picture(tmp_path / "a.png", 3)
    link(tmp_path / "b.png", first)
    picture(tmp_path / "c.png", 3)
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add([first, tmp_path / "b.png", tmp_path / "c.png", os.path.relpath(first), str(first)])
    assert [(one.item, one.description.partition(",")[0]) for one in catalogue.check()] == [(2, "linked: it is the same file as item 1")]
    assert catalogue.count(where=[("problem", "!=", None)]) == 1
    (tmp_path / "b.png").unlink()
    picture(tmp_path / "b.png", 4)
    assert catalogue.check() == [] and len(catalogue) == 3


def test_moved_images_are_relocated(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "images").rename(tmp_path / "new")
    assert len(catalogue.check()) == 4
    assert catalogue.relocate(tmp_path / "images", tmp_path / "new") == 4 and catalogue.check() == []
    assert catalogue.relocate(tmp_path / "ne", tmp_path) == 0
    with pytest.raises(ValueError, match="another item"):
        catalogue.relocate(tmp_path / "new" / "1.png", tmp_path / "new" / "2.png")
    catalogue.close()
    tmp_path.rename(tmp_path.with_name("elsewhere"))  # Moves the catalogue together with its images.
    moved = Catalogue(tmp_path.with_name("elsewhere") / "labels.db")
    assert moved.check() == [] and moved.session(3).instances


def test_images_in_archives_and_remote_stores(tmp_path: Path) -> None:
    import fsspec

    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(picture(tmp_path / "a.png", 33), "in/a.png")
    fsspec.filesystem("memory").pipe("/b.png", picture(tmp_path / "b.png", 44).read_bytes())
    urls = [f"zip://in/a.png::{tmp_path}/all.zip", "memory://b.png"]
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add([*(Item(url, [Instance(square(2, 2), "x")]) for url in urls), "zip://in/c.png::all.zip", "nowhere://x.png"])
    assert [row.path for row in catalogue.query(limit=2)] == urls
    assert [int(catalogue.session(n).image[0, 0, 0]) for n in (1, 2)] == [33, 44]
    assert [item.read_image()[0, 0, 0] for item in catalogue.items([1, 2])] == [33, 44]
    assert [(one.item, one.description.partition(":")[0]) for one in catalogue.check()] == [(3, "missing"), (4, "corrupt")]
    names = [image["file_name"] for image in json.loads(catalogue.export("coco", tmp_path / "o.json", ids=[1, 2]).read_text())["images"]]
    assert names == urls
    assert masks(cdwidget.read("png", catalogue.export("png", tmp_path / "out", ids=[1, 2]))).keys() == {"a", "b"}


def test_upgrades_and_newer_versions(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue.close()
    more = (*schema.MIGRATIONS, ("ALTER TABLE items ADD COLUMN note TEXT", "UPDATE items SET note = path"))
    monkeypatch.setattr(schema, "MIGRATIONS", (*more, ("CREATE TABLE half (x)", "no SQL")))
    with pytest.raises(OSError, match=r"labels\.db cannot be read or written .*syntax error"):
        Catalogue(catalogue.path)
    raw = sqlite3.connect(catalogue.path)
    assert raw.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS) - 2,) and "note" not in str(
        raw.execute("SELECT sql FROM sqlite_master").fetchall()
    )
    monkeypatch.setattr(schema, "MIGRATIONS", more)
    assert len(Catalogue(catalogue.path)) == 4 and raw.execute("SELECT note FROM items").fetchone() == ("images/0.png",)
    monkeypatch.undo()
    known = len(schema.MIGRATIONS)
    with pytest.raises(ValueError, match=f"its format is version {known + 1}, this cdwidget reads up to {known}"):
        Catalogue(catalogue.path)


def test_other_files_are_not_opened_as_catalogues(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is not a database" * 100)
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE mine (x)")
    for name in ("text.db", "other.db"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(ValueError, match=name):
            Catalogue(tmp_path / name)
        assert (tmp_path / name).read_bytes()[:20] == before[:20]
    with pytest.raises(FileNotFoundError, match="no folder"):
        Catalogue(tmp_path / "nowhere" / "labels.db")
