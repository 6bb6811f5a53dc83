from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps
from PIL.TiffImagePlugin import AppendingTiffWriter

from maskinfer.engine.errors import OutputError, SourceError, SourceNotFoundError
from maskinfer.engine.files.images import open_image, open_pages, read_image, write_image
from maskinfer.engine.files.listing import list_images

PICTURE = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)


def save(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), PICTURE)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG", "sub/c.png"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_a_folder_with_its_subfolders(folder: Path) -> None:
    assert [str(image.relative) for image in list_images([str(folder)])] == ["a.JPG", "b.png", "sub/c.png"]


def test_patterns_and_files_each_once(folder: Path) -> None:
    found = list_images([str(folder / "b.png"), str(folder / "**/*.png"), str(folder)])
    assert [image.path.name for image in found] == ["b.png", "c.png", "a.JPG"]


@pytest.mark.parametrize(
    ("source", "message"), [("absent.jpg", "does not exist"), ("*.gif", "does not exist"), ("empty", "holds no image")]
)
def test_nothing_there(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceNotFoundError, match=message):
        list_images([str(tmp_path / source)])


def test_reading_and_writing(tmp_path: Path) -> None:
    path = tmp_path / "größe.png"
    write_image(path, PICTURE)
    assert (read_image(path) == PICTURE).all()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey_of_any_depth_in_16_bits_becomes_bgr(tmp_path: Path, bits: int, suffix: str) -> None:
    levels = np.linspace(0, (1 << bits) - 1, 256).astype(np.uint16).reshape(16, 16)
    cv2.imwrite(str(tmp_path / f"grey{suffix}"), levels)
    image = read_image(tmp_path / f"grey{suffix}")
    assert (image.shape, image.dtype) == ((16, 16, 3), np.uint8)
    np.testing.assert_allclose(image[..., 0].ravel().astype(int), np.arange(256), atol=1)


@pytest.mark.parametrize("suffix", [".pfm", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_floats(tmp_path: Path, suffix: str, channels: int) -> None:
    levels = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    cv2.imwrite(str(tmp_path / f"x{suffix}"), levels if channels == 1 else np.dstack([levels] * 3))
    image = read_image(tmp_path / f"x{suffix}")
    assert (image.shape, image.dtype) == ((16, 16, 3), np.uint8)
    np.testing.assert_allclose(image[..., 0].ravel().astype(int), np.arange(256), atol=1)


def test_grey_of_32_bits(tmp_path: Path) -> None:
    levels = np.linspace(-100, 65535, 256).astype(np.int32).reshape(16, 16)
    Image.fromarray(levels).save(tmp_path / "x.tif")
    image = read_image(tmp_path / "x.tif")
    assert (image.shape, image.dtype) == ((16, 16, 3), np.uint8)
    np.testing.assert_allclose(image[..., 0].ravel().astype(int), np.arange(256), atol=1)


def corner() -> Image.Image:
    """48 x 32, white in its upper left quarter."""
    image = Image.new("RGB", (48, 32))
    image.paste((255, 255, 255), (0, 0, 24, 16))
    return image


def test_heif_with_the_extra(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    corner().save(tmp_path / "x.heic")
    image = read_image(tmp_path / "x.heic")
    assert image.shape == (32, 48, 3)
    assert (int(image[4, 4, 0]) > 200, int(image[-4, -4, 0]) < 50) == (True, True)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_format_comes_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / f"x{suffix}"
    corner().save(path, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))[..., ::-1]
    image = read_image(path)
    assert image.shape == expected.shape
    np.testing.assert_allclose(image[4::8, 4::8].astype(int), expected[4::8, 4::8].astype(int), atol=12)
    assert image.shape == ((48, 32, 3) if orientation > 4 else (32, 48, 3))


def test_without_the_extra_heif_is_refused_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(SourceError, match=r"pip install 'maskinfer\[heif\]'"):
        read_image(path)


def test_pages_of_a_tiff_file(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (40, 30), (shade, 0, 0)) for shade in (10, 20, 30)]
    thumbnail = Image.new("RGB", (8, 6))
    path = tmp_path / "scan.tif"
    with AppendingTiffWriter(str(path), new=True) as writer:
        for page in (pages[0], thumbnail, *pages[1:]):
            page.save(writer, "TIFF", tiffinfo={254: int(page is thumbnail)})
            writer.newFrame()
    file = open_image(path)
    assert file.pages == (0, 2, 3)
    assert [int(file.read(page)[0, 0, 2]) for page in file.pages] == [10, 20, 30]
    with open_pages(tmp_path / "out.tif", 3) as write:
        for page in file.pages:
            write(file.read(page))
    out = open_image(tmp_path / "out.tif")
    assert [int(out.read(page)[0, 0, 2]) for page in out.pages] == [10, 20, 30]


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_an_animation_says_how_many_pictures_it_holds(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (40, 30), (shade, 0, 0)) for shade in (10, 120, 230)]
    frames[0].save(tmp_path / f"x{suffix}", save_all=True, append_images=frames[1:])
    file = open_image(tmp_path / f"x{suffix}")
    assert (file.pages, file.later_pictures) == ((0,), 2)
    assert int(file.read()[0, 0, 2]) == pytest.approx(10, abs=12)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_kind_of_pixel(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("x.tif" if mode in ("CMYK", "1") else "x.png")
    Image.new("L", (40, 30), 255).convert("RGB" if mode in ("CMYK", "P", "RGBA") else "L").convert(mode).save(path)
    assert (read_image(path).shape, read_image(path).dtype) == ((30, 40, 3), np.uint8)


def test_what_folders_leave_out_is_told_and_links_are_followed_once(tmp_path: Path) -> None:
    folder, other = tmp_path / "photos", tmp_path / "other"
    for name in ("a.jpg", "._a.jpg", "b.gif", "c.gif", "d.txt", "e", ".hidden", "sub/f.JFIF"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    other.mkdir()
    (other / "g.png").touch()
    (folder / "link").symlink_to(other)
    (folder / "again").symlink_to(other)
    (folder / "sub" / "loop").symlink_to(folder)
    told: list[str] = []
    found = list_images([str(folder)], told.append)
    assert [str(image.relative) for image in found] == ["a.jpg", "again/g.png", "sub/f.JFIF"]
    assert told == ["4 files left out: 2 .gif, 1 .txt, 1 without a suffix"]


@pytest.mark.parametrize("content", [b"", b"text", b"\xff\xd8\xff\xe0 cut"])
def test_a_broken_image(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(SourceError, match=r"x\.jpg is not an image"):
        read_image(tmp_path / "x.jpg")


def test_an_unknown_format_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"x\.xyz cannot be written"):
        write_image(tmp_path / "x.xyz", PICTURE)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="absent"):
        write_image(tmp_path / "absent" / "x.png", PICTURE)


def test_pictures_larger_than_pillow_likes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corner().save(tmp_path / "x.avif")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # of which it takes twice as many
    assert read_image(tmp_path / "x.avif").shape == (32, 48, 3)
