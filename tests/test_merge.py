"""Progressive merge: properties for arbitrary masks, predictions and prompts, and examples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.measure import label as label_components

from cdwidget.masks import EMPTY_BBOX
from cdwidget.prompts import Box, Click, Stroke
from cdwidget.session.merge import adopt, agrees, click_radius, merge

SIDES = st.integers(3, 20)


@st.composite
def scenes(draw):
    """An image of few colors, a mask and a predicted mask of one size; new arrays, which a test may write to."""
    shape = draw(SIDES), draw(SIDES)
    image = draw(hnp.arrays(np.uint8, (*shape, 3), elements=st.sampled_from([0, 8, 200]), fill=st.just(8)))
    mask, predicted = (draw(hnp.arrays(bool, shape, fill=st.booleans())) for _ in range(2))
    return image, mask, predicted


def clicks(shape, positive=None):
    signs = st.booleans() if positive is None else st.just(positive)
    return st.builds(Click, st.floats(0, shape[1], exclude_max=True), st.floats(0, shape[0], exclude_max=True), signs)


def strokes(shape):
    points = st.tuples(st.floats(0, shape[1], exclude_max=True), st.floats(0, shape[0], exclude_max=True))
    return st.builds(Stroke, st.lists(points, min_size=1, max_size=4).map(tuple), st.booleans(), st.floats(0.3, 5))


def boxes(shape):
    xs, ys = (st.lists(st.integers(0, side), min_size=2, max_size=2, unique=True).map(sorted) for side in (shape[1], shape[0]))
    return st.builds(lambda x, y: Box(x[0], y[0], x[1], y[1]), xs, ys)


def prompts(shape):
    return st.one_of(clicks(shape), strokes(shape), boxes(shape))


def merged(image, mask, predicted, prompt, older=()):
    return apply_edit(mask, merge(image, mask, predicted, prompt, older))


def apply_edit(mask, edit):
    x0, y0, x1, y1 = edit.bbox
    result = mask.copy()
    result[y0:y1, x0:x1][edit.where] = edit.pixels[edit.where]
    assert np.array_equal((result != mask)[y0:y1, x0:x1], edit.where), "only changed pixels are set"
    return result


def far(shape, pixel):
    rows, columns = np.indices(shape)
    return np.hypot(rows - pixel[0], columns - pixel[1])


@given(st.data(), scenes())
def test_a_prompt_that_agrees_changes_nothing(data, scene):
    image, mask, predicted = scene
    click = data.draw(clicks(mask.shape))
    agreeing = Click(click.x, click.y, bool(mask[click.pixel]))
    assert agrees(mask, agreeing)
    assert merge(image, mask, predicted, agreeing, ()).bbox == EMPTY_BBOX
    prompt = data.draw(prompts(mask.shape))
    if agrees(mask, prompt):
        assert np.array_equal(merged(image, mask, predicted, prompt), mask)


@given(st.data(), scenes())
def test_a_disagreeing_click_always_changes_its_pixel(data, scene):
    image, mask, predicted = scene
    click = data.draw(clicks(mask.shape))
    older = tuple(data.draw(st.lists(prompts(mask.shape), max_size=4)))
    assert merged(image, mask, predicted, click, older)[click.pixel] == click.positive


@given(st.data(), scenes())
def test_positive_prompts_only_add_and_negative_ones_only_remove(data, scene):
    image, mask, predicted = scene
    prompt = data.draw(prompts(mask.shape))
    result = merged(image, mask, predicted, prompt)
    if isinstance(prompt, Box) or prompt.positive:
        assert not (mask & ~result).any()
    else:
        assert not (result & ~mask).any()


@given(st.data(), scenes())
def test_only_the_component_that_holds_the_click_changes(data, scene):
    image, mask, predicted = scene
    click = data.draw(clicks(mask.shape))
    mask[click.pixel], predicted[click.pixel] = not click.positive, click.positive
    signed = predicted & ~mask if click.positive else mask & ~predicted
    numbers = label_components(signed, connectivity=2)
    assert np.array_equal(mask ^ merged(image, mask, predicted, click), numbers == numbers[click.pixel])


@given(st.data(), scenes())
def test_changes_are_near_the_click_if_the_prediction_ignores_it(data, scene):
    image, mask, predicted = scene
    click = data.draw(clicks(mask.shape))
    mask[click.pixel] = predicted[click.pixel] = not click.positive
    small = click_radius(*mask.shape)
    signed = predicted & ~mask if click.positive else mask & ~predicted
    numbers = label_components(signed, connectivity=2)
    distance = far(mask.shape, click.pixel)
    near = np.unique(numbers[signed & (distance <= small)])
    changed = mask ^ merged(image, mask, predicted, click)
    if near.size:
        parts = [number for number in near if (changed & (numbers == number)).sum() == (numbers == number).sum()]
        assert parts, "one of the components near the click is changed as a whole"
        assert not (changed & ~np.isin(numbers, near) & (distance > small)).any()
    else:
        assert not (changed & (distance > 4 * small)).any()


@given(st.data(), scenes())
def test_pixels_near_an_older_prompt_of_the_other_sign_are_protected(data, scene):
    image, mask, predicted = scene
    click = data.draw(clicks(mask.shape))
    older = data.draw(clicks(mask.shape, positive=not click.positive))
    kept = far(mask.shape, older.pixel) <= click_radius(*mask.shape)
    kept &= far(mask.shape, older.pixel) < far(mask.shape, click.pixel) / 3  # Much nearer to the older one.
    changed = mask ^ merged(image, mask, predicted, click, (older,))
    assert not changed[kept].any()


@given(st.data(), scenes())
def test_a_stroke_changes_all_its_pixels_and_the_components_it_touches(data, scene):
    image, mask, predicted = scene
    stroke = data.draw(strokes(mask.shape))
    older = tuple(data.draw(st.lists(clicks(mask.shape), max_size=3)))
    result = merged(image, mask, predicted, stroke, older)
    for x, y in stroke.points:
        assert result[int(y), int(x)] == stroke.positive
    assert agrees(result, stroke)
    if not older:
        signed = predicted & ~mask if stroke.positive else mask & ~predicted
        numbers = label_components(signed | (mask ^ result), connectivity=2)
        for number in np.unique(numbers[mask ^ result]):
            assert (mask ^ result)[numbers == number].all(), "components are changed as a whole"


@given(st.data(), scenes())
def test_a_box_adds_the_prediction_inside_it(data, scene):
    image, mask, predicted = scene
    box = data.draw(boxes(mask.shape))
    expected = mask.copy()
    inside = np.s_[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)]
    expected[inside] |= predicted[inside]
    assert np.array_equal(merged(image, mask, predicted, box), expected)


@given(scenes())
def test_without_merging_the_prediction_is_the_mask(scene):
    _, mask, predicted = scene
    assert np.array_equal(apply_edit(mask, adopt(mask, predicted)), predicted)


# ---- examples ---------------------------------------------------------------------------------------------------


def grid(size=100):
    rows, columns = np.indices((size, size))
    return rows, columns, np.full((size, size, 3), 128, np.uint8), np.zeros((size, size), bool)


def test_a_far_second_part_is_added_and_a_third_is_not():
    rows, columns, image, mask = grid()
    mask |= (rows < 30) & (columns < 30)
    predicted = ~mask & ((rows > 70) | ((rows < 30) & (columns > 70)))
    result = merged(image, mask, predicted, Click(50, 90))
    assert np.array_equal(result, mask | (rows > 70))


def test_the_nearest_component_is_joined_to_a_click_that_misses_it():
    rows, columns, image, mask = grid()
    predicted = (columns < 49) & (rows > 20)
    result = merged(image, mask, predicted, Click(50, 50))
    assert result[50, 50] and result[predicted].all()
    assert label_components(result, connectivity=2).max() == 1


def test_the_fallback_follows_the_color_of_the_clicked_surface():
    rows, columns, image, mask = grid()
    image[columns >= 50] = 255
    result = merged(image, mask, mask, Click(46, 50))
    assert result.sum() > 20
    assert not result[columns >= 51].any()


def test_the_fallback_also_removes_but_never_everything():
    rows, columns, image, mask = grid()
    mask |= columns < 60
    result = merged(image, mask, mask, Click(20, 50, False))
    assert not result[50, 20]
    assert 20 < (mask ^ result).sum() < 0.1 * mask.sum()


def test_a_protected_disk_stops_a_leak():
    rows, columns, image, mask = grid(400)
    mask |= columns < 100
    leak = ~mask & ((columns < 150) | ((abs(rows - 200) <= 1) & (columns < 250)) | (columns >= 250))
    click, guard = Click(120, 100), Click(200, 200, False)
    assert merged(image, mask, mask | leak, click).mean() > 0.5
    result = merged(image, mask, mask | leak, click, (guard,))
    assert result[200, :198].all()
    assert np.array_equal(result[:, :198], (mask | leak)[:, :198])
    assert not result[:, 202:].any()


def test_a_click_next_to_an_older_one_of_the_other_sign_still_has_an_effect():
    rows, columns, image, mask = grid(1000)
    mask |= columns < 500
    result = merged(image, mask, columns < 490, Click(492, 300, False), (Click(488, 300),))
    assert np.argwhere(result ^ (columns < 490)).tolist() == [[300, 490]], "the older click protects half of the distance"


def test_the_newer_of_two_clicks_on_one_pixel_wins():
    _, columns, image, mask = grid()
    mask |= columns < 50
    result = merged(image, mask, columns < 40, Click(45, 45, False), (Click(45, 45),))
    assert np.array_equal(result, columns < 40)


def test_an_older_stroke_protects_all_its_pixels():
    rows, columns, image, mask = grid()
    mask[:] = True
    older = Stroke(((0, 50), (99, 50)), True, radius=4)
    result = merged(image, mask, ~mask, Click(50, 10, False), (older,))
    assert not result[:44].any()
    assert result[47:].all(), "pixels behind the stroke are not connected to the click"


def test_a_click_on_an_older_stroke_changes_only_its_neighborhood():
    rows, columns, image, mask = grid(400)
    mask[:] = True
    older, click = Stroke(((0, 200), (399, 200)), True, radius=1), Click(150, 200, False)
    result = merged(image, mask, ~mask, click, (older,))
    held = (abs(rows - 200) <= 1) & (abs(columns - 150) > click_radius(400, 400) + 1)
    assert result[held].all()
    assert not result[far(mask.shape, click.pixel) <= click_radius(400, 400)].any()


@pytest.mark.parametrize("radius", [1e-3, 1e9])
def test_strokes_of_any_radius(radius):
    _, _, image, mask = grid()
    for points in (((5, 5),), ((5, 5), (80, 70))):
        result = merged(image, mask, mask, Stroke(points, True, radius))
        assert result[5, 5]
        assert result.all() == (radius > 1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (16, 16)])
def test_tiny_images(shape):
    image, mask = np.zeros((*shape, 3), np.uint8), np.zeros(shape, bool)
    assert merged(image, mask, mask, Click(0, 0))[0, 0]
    assert merged(image, mask, ~mask, Click(0, 0)).all()
    assert merged(image, ~mask, ~mask, Stroke(((0, 0),), False)).sum() < mask.size


def test_a_small_edit_of_a_large_image():
    image, mask = np.zeros((3000, 4000, 3), np.uint8), np.zeros((3000, 4000), bool)
    predicted = mask.copy()
    predicted[1000:1100, 2000:2200] = True
    edit = merge(image, mask, predicted, Click(2100, 1050), ())
    assert edit.bbox == (2000, 1000, 2200, 1100)
    assert edit.where.all() and edit.pixels.all()


def test_a_prediction_of_another_object_is_adopted_if_only_the_model_has_drawn():
    image, mask, predicted = np.zeros((60, 90, 3), np.uint8), np.zeros((60, 90), bool), np.zeros((60, 90), bool)
    mask[10:20, 10:20] = True
    predicted[10:30, 10:30] = predicted[10:50, 60:80] = True  # Two separate parts.
    click = Click(25, 25)
    part = apply_edit(mask, merge(image, mask, predicted, click, ()))
    assert not part[:, 60:].any() and part[25, 25]
    assert np.array_equal(apply_edit(mask, merge(image, mask, predicted, click, (), model_only=True)), predicted)
    assert not apply_edit(predicted, merge(image, predicted, mask, Click(70, 30, False), (), model_only=True))[:, 60:].any()
    better = predicted.copy()
    better[30:33, 10:30] = better[50:51, 60:80] = True  # Less than 10 % larger.
    repaired = apply_edit(predicted, merge(image, predicted, better, Click(25, 31), (), model_only=True))
    assert repaired[31, 25] and not repaired[50, 70]


def test_a_border_click_changes_no_pixels_farther_than_the_border():
    rows, columns, image, mask = grid(300)
    mask |= columns < 150
    narrower, click = columns < 144, Click(146, 100, False)  # 4 pixels from the border of a strip of 6.
    touched = apply_edit(mask, merge(image, mask, narrower, click, (), model_only=True))
    assert np.array_equal(mask & ~touched, mask & ~narrower & (np.hypot(rows - 100, columns - 146) <= 4))
    assert np.array_equal(merged(image, mask, narrower, click), narrower), "masks of other sources change completely"
    leg = narrower & ~((rows > 60) & (rows < 140) & (columns > 90))  # The same click, about a part of the object.
    assert np.array_equal(apply_edit(mask, merge(image, mask, leg, click, (), model_only=True)), leg)
