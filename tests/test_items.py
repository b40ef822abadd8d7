from pathlib import Path

import numpy as np
from PIL import Image

from cdwidget.items import Instance, Item


def test_an_item_reads_its_image_at_every_call(tmp_path):
    item = Item(tmp_path / "later.png", [Instance(np.ones((2, 3), bool), "cat")])
    Image.new("RGB", (3, 2), (9, 8, 7)).save(item.path)
    assert item.read_image().tolist() == [[[9, 8, 7]] * 3] * 2
    assert item.instances[0].label == "cat"


def test_an_instance_measures_its_mask_and_is_short_to_print():
    mask = np.zeros((30, 40), bool)
    assert (Instance(mask).area, Instance(mask).bbox) == (0, (0, 0, 0, 0))
    mask[5:15, 10:30] = True
    instance = Instance(mask, "cat", 3, attributes={"occluded": True}, score=0.5, track_id=9)
    assert (instance.area, instance.bbox) == (200, (10, 5, 30, 15))
    assert repr(instance) == "Instance('cat', 200 of 40x30 pixels, id=3, score=0.5, track_id=9, attributes={'occluded': True})"
    assert repr(Item(Path("a.png"), [instance] * 3)) == "Item('a.png', 3 instances)"


def test_the_optional_fields_of_two_instances_are_separate():
    first, second = Instance(np.ones((2, 2), bool)), Instance(np.ones((2, 2), bool))
    assert first.attributes == {} and first.attributes is not second.attributes
    assert (first.score, first.track_id, first.extra) == (None, None, {})
