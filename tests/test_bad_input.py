"""Every kind of odd, damaged or wrong picture: read right, or refused with a message that says why."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferkern import pictures

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def corners() -> Image.Image:
    """6 x 4 pixels, each corner of another colour (clockwise: red, green, blue, white)."""
    image = Image.new("RGB", (6, 4), (128, 128, 128))
    for xy, color in {(0, 0): RED, (5, 0): GREEN, (5, 3): BLUE, (0, 3): WHITE}.items():
        image.putpixel(xy, color)
    return image


# -- what is read ----------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
def test_exif_orientation(tmp_path: Path, orientation: int, suffix: str) -> None:
    """Stored so that each orientation, applied, gives the same upright picture."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = corners()
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"picture.{suffix}"
    stored.save(path, exif=exif, **({"lossless": True} if suffix == "webp" else {}))
    picture = pictures.read(path)
    assert picture.size == (6, 4)
    np.testing.assert_array_equal(picture.rgb, np.asarray(upright))


def test_rotated_jpeg(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "phone.jpg"
    Image.new("RGB", (64, 32), RED).save(path, exif=exif)
    assert pictures.read(path).rgb.shape == (64, 32, 3)
    assert pictures.read(Image.open(path)).size == (32, 64)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bits_are_scaled(tmp_path: Path, suffix: str) -> None:
    values = np.array([[0, 257, 32_768, 65_535]], np.uint16)
    path = tmp_path / f"deep.{suffix}"
    Image.fromarray(values).save(path)
    assert pictures.read(path).rgb[0, :, 1].tolist() == [0, 1, 128, 255]


def test_floating_point_file(tmp_path: Path) -> None:
    path = tmp_path / "float.tiff"
    Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32)).save(path)
    assert pictures.read(path).rgb[0, :, 0].tolist() == [0, 128, 255]
    Image.fromarray(np.array([[0.0, np.nan]], np.float32)).save(path)
    with pytest.raises(ValueError, match=r"float.tiff: 1 of 2 floating-point pixels are NaN"):
        pictures.read(path)
    Image.fromarray(np.array([[-3.0, 900.0]], np.float32)).save(path)
    with pytest.raises(ValueError, match=r"-3 \.\. 900, expected 0 \.\. 1"):
        pictures.read(path)


def test_32_bit_integers(tmp_path: Path) -> None:
    path = tmp_path / "int.tiff"
    Image.fromarray(np.array([[0, 65_535]], np.int32)).save(path)
    assert pictures.read(path).rgb[0, :, 2].tolist() == [0, 255]
    Image.fromarray(np.array([[0, 1 << 20]], np.int32)).save(path)
    with pytest.raises(ValueError, match=r"0 \.\. 1048576, expected 0 \.\. 65,535"):
        pictures.read(path)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("CMYK", "tiff"),
        ("CMYK", "jpg"),
        ("P", "png"),
        ("P", "gif"),
        ("L", "png"),
        ("1", "png"),
        ("YCbCr", "jpg"),
        ("LAB", "tiff"),
    ],
)
def test_colour_modes(tmp_path: Path, mode: str, suffix: str) -> None:
    path = tmp_path / f"picture.{suffix}"
    white = Image.new("LAB", (16, 16), (255, 128, 128)) if mode == "LAB" else Image.new("RGB", (16, 16), WHITE)
    white.convert(mode).save(path)
    picture = pictures.read(path)
    assert picture.rgb.shape == (16, 16, 3)
    assert picture.rgb.min() >= 250


def test_cmyk_is_not_inverted(tmp_path: Path) -> None:
    path = tmp_path / "press.jpg"
    Image.new("RGB", (32, 32), (200, 40, 40)).convert("CMYK").save(path, quality=100)
    np.testing.assert_allclose(pictures.read(path).rgb[16, 16], (200, 40, 40), atol=6)


def test_transparency_lies_on_white(tmp_path: Path) -> None:
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 3] = (0, 128, 255)
    expected = [255, 127, 0]
    assert pictures.read(rgba).rgb[0, :, 0].tolist() == expected
    Image.fromarray(rgba).save(tmp_path / "a.png")
    assert pictures.read(tmp_path / "a.png").rgb[0, :, 0].tolist() == expected
    Image.fromarray(rgba).convert("LA").save(tmp_path / "la.png")
    assert pictures.read(tmp_path / "la.png").rgb[0, :, 0].tolist() == expected
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 0, 0, 0])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "p.png", transparency=1)
    assert pictures.read(tmp_path / "p.png").rgb[0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    path = tmp_path / "two.gif"
    Image.new("RGB", (8, 8), RED).save(path, save_all=True, append_images=[Image.new("RGB", (8, 8), BLUE)])
    assert pictures.read(path).rgb[4, 4].tolist() == list(RED)


def test_array_forms() -> None:
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for form in (gray, gray[:, :, None], np.repeat(gray[:, :, None], 3, axis=2), Image.fromarray(gray)):
        np.testing.assert_array_equal(pictures.read(form).rgb[:, :, 1], gray)


def test_any_strides() -> None:
    whole = np.random.default_rng(3).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    for view in (
        whole[::-1],
        whole[:, ::2],
        whole[..., ::-1],
        whole.transpose(1, 0, 2),
        np.asfortranarray(whole),
    ):
        picture = pictures.read(view)
        np.testing.assert_array_equal(picture.rgb, view)
        assert picture.rgb.flags.c_contiguous


def test_foreign_arrays() -> None:
    values = np.full((4, 5, 3), 7, np.uint8)

    class Interface:
        __array_interface__ = values.__array_interface__

    class Dlpack:
        def __dlpack__(self, **kwargs: object) -> object:
            return values.__dlpack__(**kwargs)  # type: ignore[arg-type]

        def __dlpack_device__(self) -> tuple[int, int]:
            return values.__dlpack_device__()

    for source in (Interface(), Dlpack()):
        assert pictures.read(source).rgb.tolist() == values.tolist()  # type: ignore[arg-type]


def test_large_pictures_are_held_reduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "WORKING_PIXELS", 1000)
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (101, 83, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large.png")
    for source in (tmp_path / "large.png", pixels):
        picture = pictures.read(source)
        assert picture.size == (83, 101)
        assert picture.rgb.shape == (33, 27, 3)  # 1/3: the smallest whole number that fits 1,000 pixels
        expected = pixels[:99, :81].reshape(33, 3, 27, 3, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(picture.rgb, expected, atol=0.51)
        assert picture.scale == pytest.approx((3, 3), rel=0.03)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_20000_pixels_wide(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"panorama.{suffix}"
    Image.new("L", (20_000, 3_000), 90).save(path)
    tracemalloc.start()
    picture = pictures.read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert picture.size == (20_000, 3_000)
    assert picture.rgb.shape[0] * picture.rgb.shape[1] <= pictures.WORKING_PIXELS
    assert (picture.rgb == 90).all()
    assert peak < 4 * 3 * pictures.WORKING_PIXELS


# -- what is refused ----------------------------------------------------------------------


def encoded(suffix: str, size: int = 64) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(2).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, suffix)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", ["png", "jpeg", "gif", "bmp", "tiff", "webp"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_truncated(tmp_path: Path, suffix: str, share: float) -> None:
    whole = encoded(suffix)
    path = tmp_path / f"half.{suffix}"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ValueError, match=r"half\.\w+: (damaged or truncated|not a picture)"):
        pictures.read(path)


def test_random_damage_is_refused_or_read(tmp_path: Path) -> None:
    """Whatever bytes stand in a file: a picture, or a ValueError with its name, and nothing else."""
    rng = np.random.default_rng(9)
    for suffix in ("png", "jpeg", "gif", "bmp", "tiff", "webp", "ppm", "tga"):
        whole = encoded(suffix, 24)
        for trial in range(40):
            data = bytearray(whole)
            for position in rng.integers(0, min(len(data), 200), 4):
                data[position] = rng.integers(0, 256)
            path = tmp_path / f"{trial}.{suffix}"
            path.write_bytes(data)
            try:
                assert pictures.read(path).rgb.ndim == 3
            except ValueError as error:
                if str(path) not in str(error):
                    raise


def test_not_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("this is a text")
    with pytest.raises(ValueError, match=r"notes\.jpg: not a picture that Pillow knows \(14 bytes, beginning 74 68"):
        pictures.read(path)


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.png"
    path.touch()
    with pytest.raises(ValueError, match=r"empty\.png: the file is empty \(0 bytes\)"):
        pictures.read(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.jpg"):
        pictures.read(tmp_path / "nowhere.jpg")
    with pytest.raises(ValueError, match="is a folder"):
        pictures.read(tmp_path)


def test_decompression_bomb(tmp_path: Path) -> None:
    """A few kilobytes that claim 3.6 thousand million pixels are refused by their header alone."""
    buffer = bytearray(encoded("png", 8))
    buffer[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    buffer[29:33] = zlib.crc32(bytes(buffer[12:29])).to_bytes(4, "big")
    path = tmp_path / "bomb.png"
    path.write_bytes(buffer)
    with pytest.raises(ValueError, match=r"bomb\.png: too large .*3600000000 pixels.*MAX_IMAGE_PIXELS"):
        pictures.read(path)


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros((4, 4), np.float32), TypeError, r"image: dtype float32, expected uint8 .*\(image \* 255\)"),
        (np.full((4, 4, 3), 80.0), TypeError, r"float64.*80 \.\. 80.*image\.round\(\)\.clip\(0, 255\)"),
        (np.array([[0.0, np.nan]]), TypeError, r"1 of 2 are NaN or infinite"),
        (np.full((4, 4), 9_000, np.uint16), TypeError, r"uint16.*9000.*image // 257"),
        (np.zeros((4, 4), bool), TypeError, r"bool.*image\.astype\(np\.uint8\) \* 255"),
        (np.zeros((4, 4), np.int64), TypeError, r"int64.*image\.astype\(np\.uint8\)"),
        (np.array([["a"]]), TypeError, r"dtype <U1, expected uint8"),
        (np.zeros((4, 4), complex), TypeError, r"complex128"),
        (np.zeros(16, np.uint8), ValueError, r"image: shape \[16\], expected \[height, width\]"),
        (np.zeros((3, 20, 30), np.uint8), ValueError, r"\[3, 20, 30\].*image\.transpose\(1, 2, 0\)"),
        (np.zeros((2, 8, 8, 3), np.uint8), ValueError, r"\[2, 8, 8, 3\].*list\(image\)"),
        (np.zeros((8, 8, 2), np.uint8), ValueError, r"\[8, 8, 2\]"),
        (np.zeros((0, 8, 3), np.uint8), ValueError, r"\[0, 8, 3\] has no pixels"),
        (np.zeros((8, 0), np.uint8), ValueError, r"\[8, 0\] has no pixels"),
    ],
)
def test_wrong_arrays(array: np.ndarray, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        pictures.read(array)


@pytest.mark.parametrize("source", [None, 5, b"bytes", object()])
def test_wrong_types(source: object) -> None:
    with pytest.raises(TypeError, match=r"is not a picture; pass a path, a uint8 array"):
        pictures.read(source)  # type: ignore[arg-type]


def test_closed_pil_image(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded("png"))
    with Image.open(path) as image:
        pass
    with pytest.raises(ValueError, match="image: damaged"):
        pictures.read(image)


def test_find_skips_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("2.JPG", "1.png", "notes.txt", ".hidden.png", "b/3.webp"):
        (tmp_path / name).touch()
    assert [p.name for p in pictures.find(tmp_path)] == ["1.png", "2.JPG", "3.webp"]
