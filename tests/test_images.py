import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from cdwidget.images import read_image

RAMP = np.arange(12 * 8, dtype=np.uint8).reshape(8, 12) * 2


def same_everywhere(image, color):
    return image.shape[2] == 3 and (image == np.array(color, np.uint8)).all()


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (RAMP, RAMP),
        (RAMP[:, :, None], RAMP),
        (RAMP > 90, (RAMP > 90) * np.uint8(255)),
        (RAMP.astype(np.uint16) * 257, RAMP),
        (RAMP.astype(">u2") * np.uint16(256), RAMP),
        (RAMP / 255, RAMP),
        ((RAMP / 255).astype(np.float32), RAMP),
        (RAMP[::-1, ::-1], RAMP[::-1, ::-1]),
        (np.dstack([RAMP, np.full_like(RAMP, 255)]), RAMP),
        (np.dstack([RAMP, np.zeros_like(RAMP)]), np.full_like(RAMP, 255)),
    ],
    ids=["gray", "gray 3-D", "bool", "16 bit", "16 bit big-endian", "float64", "float32", "flipped view", "gray + alpha", "transparent"],
)
def test_gray_arrays(array, expected):
    image = read_image(array)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous and image.flags.writeable
    assert np.array_equal(image, np.dstack([expected] * 3))


def test_color_arrays_keep_their_order_and_are_copied():
    array = np.dstack([RAMP, RAMP + 1, RAMP + 2])
    image = read_image(array)
    assert np.array_equal(image, array)
    assert not np.shares_memory(image, array)
    assert np.array_equal(read_image(array.astype(np.uint16) * 257), array)
    assert np.array_equal(read_image(array / 255), array)


def test_full_range_of_16_bit_is_kept():
    image = read_image(np.array([[0, 128, 32768, 65535]], np.uint16))
    assert image[0, :, 0].tolist() == [0, 0, 128, 255]


def test_transparent_pixels_are_shown_on_white():
    rgba = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [0, 0, 0, 128]]], np.uint8)
    assert read_image(rgba).tolist() == [[[200, 100, 0], [255, 255, 255], [127, 127, 127]]]


def save(path, image, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_gray_files(tmp_path, suffix):
    path = save(tmp_path / f"deep.{suffix}", Image.fromarray(RAMP.astype(np.uint16) * 257))
    assert np.array_equal(read_image(path), np.dstack([RAMP] * 3))


def test_float_files(tmp_path):
    path = save(tmp_path / "float.tif", Image.fromarray((RAMP / 255).astype(np.float32)))
    assert np.array_equal(read_image(path), np.dstack([RAMP] * 3))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "I;16", "F", "I"])
def test_every_common_pil_mode(mode):
    image = Image.new("L", (7, 5), 0).convert(mode) if mode not in ("I;16", "F", "I") else Image.new(mode, (7, 5), 0)
    pixels = read_image(image)
    assert pixels.shape == (5, 7, 3)
    assert same_everywhere(pixels, (0, 0, 0))


@pytest.mark.parametrize("values", [[0, 65535], [-1, 7], [-1000, 3000]])
def test_mode_i_may_hold_any_whole_numbers(values):
    assert read_image(Image.fromarray(np.array([values], np.int32)))[0, :, 0].tolist() == [0, 255]


def test_palette_and_its_transparency(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    assert read_image(save(tmp_path / "a.png", image)).tolist() == [[[255, 0, 0], [0, 0, 255]]]
    assert read_image(save(tmp_path / "b.png", image, transparency=1)).tolist() == [[[255, 0, 0], [255, 255, 255]]]
    assert read_image(save(tmp_path / "c.png", image, transparency=b"\xff\x00")).tolist() == [[[255, 0, 0], [255, 255, 255]]]
    assert read_image(save(tmp_path / "d.gif", image, transparency=1)).tolist() == [[[255, 0, 0], [255, 255, 255]]]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, suffix, orientation):
    image = Image.new("RGB", (24, 16), "black")
    image.paste("white", (0, 0, 12, 8))  # The corner that the file stores top left.
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = read_image(save(tmp_path / f"turned.{suffix}", image, exif=exif))
    corners = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}
    assert pixels.shape[:2] == ((16, 24) if orientation < 5 else (24, 16))
    assert pixels[corners[orientation]].min() > 200
    assert (pixels > 128).mean() == pytest.approx(1 / 4)


def test_the_exif_orientation_of_a_pil_image_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "phone.jpg", Image.new("RGB", (24, 16)), exif=exif)
    with Image.open(path) as image:
        assert read_image(image).shape == (24, 16, 3)


def test_damaged_exif_is_ignored(tmp_path):
    path = save(tmp_path / "odd.jpg", Image.new("RGB", (24, 16)), exif=b"Exif\0\0no tags here at all")
    assert read_image(path).shape == (16, 24, 3)


def test_paths_may_be_text_or_path(tmp_path):
    path = save(tmp_path / "a b é.png", Image.new("RGB", (3, 2), (1, 2, 3)))
    assert same_everywhere(read_image(str(path)), (1, 2, 3))
    assert same_everywhere(read_image(path), (1, 2, 3))


@pytest.mark.parametrize("side", [(8000, 6000), (20000, 3)])
def test_very_large_images(side):
    assert read_image(Image.new("L", side, 9)).shape == (side[1], side[0], 3)


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    assert same_everywhere(read_image(save(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])), (255, 0, 0))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 5)), r"no pixels, its shape is \(0, 5"),
        (np.zeros((5, 0, 3), np.uint8), "no pixels"),
        (np.zeros((5, 40, 50), np.uint8), r"shape \(5, 40, 50\).*give bands=\(0, 1, 2\), and for several images a list"),
        (np.zeros((2, 5, 7), np.uint8), r"shape \(2, 5, 7\); allowed are \(H, W\)"),
        (np.zeros(5, np.uint8), r"shape \(5,\)"),
        (np.zeros((2, 4, 5, 3), np.uint8), "shape"),
        (np.array([[np.nan, -np.inf]]), "no pixel has a finite value"),
        (np.zeros((4, 4), np.complex64), "dtype complex64; allowed are bool, whole numbers and floats"),
        (np.zeros((4, 4), object), "dtype object"),
        (np.float32(3), r"shape \(\)"),
    ],
)
def test_other_arrays_are_refused(array, message):
    with pytest.raises(ValueError, match=message):
        read_image(array)


@pytest.mark.parametrize("source", [None, 7, [[1, 2]]])
def test_other_types_are_refused(source):
    with pytest.raises(TypeError, match="path, a PIL image or a numpy array"):
        read_image(source)


def test_the_error_for_a_missing_file_names_the_working_directory(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file .*nowhere.png"):
        read_image(tmp_path / "nowhere.png")


@pytest.mark.parametrize("content", [b"", b"hello, I am a text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_a_file_that_is_not_an_image_is_refused(tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="broken.png.*cannot be read as an image.*allowed are"):
        read_image(path)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        read_image(tmp_path)


def test_an_empty_pil_image_is_refused():
    with pytest.raises(ValueError, match="no pixels"):
        read_image(Image.new("RGB", (0, 5)))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow warns about damaged tags that it does not need.
@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff", "webp", "gif", "bmp"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_read_or_refused(tmp_path, kind, data):
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([RAMP, RAMP.T.reshape(8, 12), RAMP])).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[position] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        image = read_image(path)
    except ValueError as error:
        assert "allowed are" in str(error)
    else:
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_file_that_ends_early_is_refused(tmp_path, kind):
    noise = np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8)
    path = save(tmp_path / "cut", Image.fromarray(noise), format=kind)
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(ValueError, match="complete"):
        read_image(path)
