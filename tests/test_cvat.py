"""CVAT's XML: the tracks of videos."""

from pathlib import Path

import pytest
from PIL import Image

import cdwidget

VIDEO = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><task><size>4</size><mode>interpolation</mode><labels><label><name>cat</name></label><label><name>dog</name></label></labels>
<original_size><width>40</width><height>30</height></original_size></task></meta>
<track id="0" label="cat" source="manual">
  <polygon frame="0" keyframe="1" outside="0" occluded="1" points="5,5;15,5;15,15;5,15" z_order="0">
    <attribute name="wet">true</attribute></polygon>
  <polygon frame="2" keyframe="0" outside="0" occluded="0" points="6,5;16,5;16,15;6,15" z_order="0"></polygon>
  <polygon frame="3" keyframe="1" outside="1" occluded="0" points="6,5;16,5;16,15;6,15" z_order="0"></polygon>
</track>
<track id="7" label="dog" source="manual">
  <box frame="2" keyframe="1" outside="0" occluded="0" xtl="20" ytl="5" xbr="30" ybr="15" z_order="0"></box>
  <box frame="-1" keyframe="1" outside="0" occluded="0" xtl="20" ytl="5" xbr="30" ybr="15" z_order="0"></box>
</track>
</annotations>
"""


def test_tracks_of_a_video_are_images_with_track_ids(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number in (0, 1, 2):
        Image.new("RGB", (40, 30)).save(tmp_path / "images" / f"frame_{number:06d}.PNG")
    (tmp_path / "annotations.xml").write_text(VIDEO)
    with pytest.warns(UserWarning, match="image track 7, annotation frame -1: its frame is '-1'; allowed are whole numbers from 0"):
        dataset = cdwidget.read(tmp_path)
    assert [Path(item.path).name for item in dataset] == ["frame_000000.PNG", "frame_000001.PNG", "frame_000002.PNG"]
    found = [[(each.label, each.track_id, each.bbox, each.attributes) for each in item.instances] for item in dataset]
    assert found == [
        [("cat", 0, (5, 5, 15, 15), {"wet": True})],
        [],
        [("cat", 0, (6, 5, 16, 15), {}), ("dog", 7, (20, 5, 30, 15), {})],
    ]
    assert dataset.classes == {"cat": 0, "dog": 1}
    again = cdwidget.read("cvat", cdwidget.write("cvat", dataset, tmp_path / "out"))
    assert [[(each.label, each.track_id, each.bbox, each.attributes) for each in item.instances] for item in again] == found


def test_frames_without_images_are_named_as_cvat_names_them(tmp_path: Path) -> None:
    (tmp_path / "annotations.xml").write_text(VIDEO.replace('frame="-1"', 'frame="3"'))
    with pytest.warns(UserWarning, match="3 images were not found"):
        dataset = cdwidget.read(tmp_path)
    assert [(Path(item.path).name, len(item.instances)) for item in dataset] == [
        ("frame_000000.PNG", 1), ("frame_000002.PNG", 2), ("frame_000003.PNG", 1),
    ]  # fmt: skip


def test_a_file_without_its_sizes_is_read_by_its_images(tmp_path: Path) -> None:
    for number in (0, 2):
        Image.new("RGB", (40, 30)).save(tmp_path / f"frame_{number:06d}.PNG")
    text = VIDEO.replace("<size>4</size>", f"<size>{'9' * 5000}</size>").replace("original_size", "other")
    text = text.replace('frame="-1"', 'frame="0"')
    (tmp_path / "annotations.xml").write_text(text)
    dataset = cdwidget.read(tmp_path)
    assert [[each.label for each in item.instances] for item in dataset] == [["cat", "dog"], ["cat", "dog"]] and not dataset.problems
