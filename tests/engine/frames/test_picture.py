"""Pictures that stay as they were decoded: looked at, drawn on and encoded without a BGR picture of the whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from maskinfer.engine.contract import CropRule
from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.faces.letterbox import letterbox_batch, plan_letterbox
from maskinfer.engine.frames.annotate import Style, annotate
from maskinfer.engine.frames.colour import SDR_VIDEO, Colour, yuv_converter
from maskinfer.engine.frames.draw import colour_of, draw_result
from maskinfer.engine.frames.picture import Picture, as_picture
from maskinfer.engine.frames.yuv420 import Planes, planes_of
from maskinfer.engine.jobs.render import run_render
from maskinfer.engine.results import INCORRECT_MASK, WITH_MASK, WITHOUT_MASK, BGRFrame, Face, FrameResult
from maskinfer.engine.sources.video import open_video
from tests.helpers.clips import solid_yuv, turn_mp4, write_clip

SIZE_WH = (320, 180)


def face(left: float, top: float, side: float, label: str = WITH_MASK) -> Face:
    return Face((left, top, left + side, top + side), 0.9, None, label, 0.9, {label: 0.9})


# At even and odd places, with thick and thin lines, at the borders and past them.
FACES = (
    face(20, 30, 90), face(131, 41, 75, WITHOUT_MASK), face(230.4, 20.6, 17, INCORRECT_MASK), face(281, 61, 24),
    face(-15, 120, 50, WITHOUT_MASK), face(250, 140, 90), face(201, 101, 26, "uncertain"),
)  # fmt: skip
RESULT = FrameResult("a", 0, 0.0, SIZE_WH, FACES)


def scene() -> BGRFrame:
    """Return a soft picture whose colours all YUV matrices hold."""
    x, y = np.meshgrid(np.linspace(0, 1, SIZE_WH[0]), np.linspace(0, 1, SIZE_WH[1]))
    bgr = np.stack([60 + 120 * x, 70 + 110 * y, 180 - 100 * x * y], -1)
    return np.asarray(bgr, np.uint8)


def as_planes(bgr: BGRFrame, matrix: int = 1) -> Planes:
    frame = yuv_converter(Colour(matrix), (bgr.shape[1], bgr.shape[0]))(Picture(bgr))
    return planes_of(frame, matrix)


def differences(a: Planes, b: Planes) -> list[np.ndarray]:
    pairs = ((a.y, b.y), (a.u, b.u), (a.v, b.v))
    return [np.abs(one.astype(int) - other) for one, other in pairs]


@pytest.mark.parametrize("matrix", [1, 4, 6, 7, 9])
@pytest.mark.parametrize("style", [Style(), Style(blur_faces=True), Style(boxes=False, blur_faces=True)], ids=str)
def test_drawn_on_planes_it_looks_as_drawn_in_bgr(matrix: int, style: Style) -> None:
    picture, bgr = Picture(as_planes(scene(), matrix)), scene()
    annotate(picture, RESULT, style)
    annotate(bgr, RESULT, style)
    drawn, expected = picture.planes(matrix), as_planes(bgr, matrix)
    assert drawn is not None
    luma, *chroma = differences(drawn, expected)
    assert luma.mean() < 1
    assert np.percentile(luma, 99.9) <= 3
    for plane in chroma:  # a thin line has the full colour here, half of it there
        assert plane.mean() < 2.5
        assert np.percentile(plane, 85) <= 3


@pytest.mark.parametrize("matrix", [1, 4, 6, 7, 9])
@pytest.mark.parametrize("bgr", [(40, 40, 200), (60, 180, 60), (190, 70, 40), (235, 235, 235), (20, 20, 20)])
def test_colours_are_those_of_the_matrix(bgr: tuple[int, int, int], matrix: int) -> None:
    if matrix in (4, 7):  # not among those that the definition is written down for
        planes = as_planes(np.full((48, 64, 3), bgr, np.uint8), matrix)
    else:
        planes = planes_of(solid_yuv(bgr, matrix, full_range=False), matrix)
    picture = Picture(planes)
    assert np.abs(picture.cut((3, 5, 9, 8)).astype(int) - bgr).max() <= 3
    assert np.abs(picture.resized((0, 0, 64, 48), (20, 10), cv2.INTER_LINEAR).astype(int) - bgr).max() <= 3
    picture.paste((10, 10), np.full((6, 8, 3), bgr, np.uint8))
    written = picture.planes(matrix)
    assert written is not None
    assert all(plane.max() <= 2 for plane in differences(written, planes_of(written.frame, matrix)))
    assert np.ptp(written.y.astype(int)) <= 2
    assert np.ptp(written.u.astype(int)) <= 2


@pytest.mark.parametrize(
    "xyxy", [(0, 0, 320, 180), (1, 1, 2, 2), (7, 3, 120, 90), (8, 4, 121, 91), (319, 179, 320, 180)]
)
def test_a_part_is_a_part_of_the_whole(xyxy: tuple[int, int, int, int]) -> None:
    picture = Picture(as_planes(scene()))
    part = picture.cut(xyxy)
    left, top, right, bottom = xyxy
    assert (part == picture.bgr[top:bottom, left:right]).all()
    assert (picture.cut(xyxy) == part).all()


@pytest.mark.parametrize("size_wh", [(112, 63), (80, 45), (240, 135)])
@pytest.mark.parametrize("held", ["planes", "BGR"])
def test_what_is_made_smaller_to_be_looked_at_is_hardly_another(size_wh: tuple[int, int], held: str) -> None:
    picture = Picture(as_planes(scene()) if held == "planes" else scene())
    exact = picture.resized((0, 0, *SIZE_WH), size_wh, cv2.INTER_AREA)
    differs = np.abs(picture.shrunk(size_wh).astype(int) - exact)
    assert differs.max() <= 6
    assert differs.mean() < 1


@pytest.mark.parametrize(("corner_xy", "size_wh"), [((10, 20), (30, 40)), ((11, 21), (31, 41)), ((319, 179), (1, 1))])
def test_what_is_pasted_leaves_the_rest_as_it_was(corner_xy: tuple[int, int], size_wh: tuple[int, int]) -> None:
    before, picture = as_planes(scene()), Picture(as_planes(scene()))
    (x, y), (width, height) = corner_xy, size_wh
    picture.paste(corner_xy, np.full((height, width, 3), (200, 40, 90), np.uint8))
    after = picture.planes(1)
    assert after is not None
    inside = np.zeros((SIZE_WH[1], SIZE_WH[0]), bool)
    inside[y // 2 * 2 : (y + height + 1) // 2 * 2, x // 2 * 2 : (x + width + 1) // 2 * 2] = True
    luma, *chroma = differences(after, before)
    assert not luma[~inside].any()
    assert not any(plane[~inside[::2, ::2]].any() for plane in chroma)
    assert luma[y : y + height, x : x + width].min() > 5


def test_crops_and_the_detectors_input_are_those_of_the_bgr_picture() -> None:
    scenery = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (180, 320, 3), np.uint8), (0, 0), 6)
    scenery = np.asarray(cv2.normalize(scenery, None, 60, 190, cv2.NORM_MINMAX), np.uint8)
    planes = as_planes(scenery)
    bgr = Picture(planes).bgr
    boxes = np.array([(20, 30, 110, 120), (131, 41, 163, 80), (-20, 140, 60, 230), (5, 5, 9, 9)], np.float32)
    for rule in (CropRule(margin=0.15), CropRule(square=False, margin=0.0, border="zero")):
        ours, theirs = (cut_crops(one, boxes, rule, (64, 64)).astype(int) for one in (Picture(planes), bgr))
        assert np.abs(ours - theirs).mean() < 1.5
    plan = plan_letterbox(SIZE_WH, (160, 160), divisor=32, fixed=False)
    ours, theirs = (letterbox_batch([one], [plan])[0].astype(int) for one in (Picture(planes), bgr))
    assert np.abs(ours - theirs).mean() < 1.5
    assert not ours[90:].any()


def test_bgr_is_for_good_and_what_is_drawn_on_it_counts() -> None:
    picture = Picture(as_planes(scene()))
    picture.bgr[:] = 7
    assert picture.planes(1) is None
    assert (picture.cut((0, 0, 5, 5)) == 7).all()
    array = scene()
    as_picture(array).paste((0, 0), np.zeros((4, 4, 3), np.uint8))
    assert not array[:4, :4].any()
    with pytest.raises(RequestError, match="uint8"):
        as_picture(np.zeros((4, 4), np.uint8))


def test_drawing_spoils_no_frame_that_is_decoded_later(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", [np.roll(scene(), 3 * i, 1) for i in range(24)], b_frames=2)
    with open_video(clip) as video:
        untouched = [frame.bgr for frame in video]
    blot = np.full((180, 320, 3), 255, np.uint8)
    with open_video(clip) as video:
        for frame, bgr in zip(video, untouched, strict=True):
            assert (frame.picture.cut((0, 0, *SIZE_WH)) == bgr).all()
            frame.picture.paste((0, 0), blot)


SOURCES: dict[str, dict[str, Any]] = {
    "709": {"matrix": 1},
    "601": {"matrix": 6},
    "2020": {"matrix": 9},
    "untagged": {},
    "full range": {"matrix": 1, "full_range": True},
    "10 bit": {"matrix": 1, "pix_fmt": "yuv420p10le"},
    "4:4:4": {"matrix": 1, "pix_fmt": "yuv444p"},
    "odd": {"matrix": 1, "pix_fmt": "yuv444p", "size_wh": (321, 181)},
    "grey": {"codec": "ffv1", "pix_fmt": "gray", "full_range": True},
    "rotated": {"matrix": 1, "turn": (-1, 0, 0, -1)},
}
STAYS = {"709", "601", "2020", "untagged"}


@pytest.mark.parametrize("kind", SOURCES)
def test_any_source_is_drawn_on_in_the_right_colours(tmp_path: Path, kind: str) -> None:
    options = dict(SOURCES[kind])
    size_wh, turn = options.pop("size_wh", SIZE_WH), options.pop("turn", None)
    grey = np.full((size_wh[1], size_wh[0], 3), 120, np.uint8)
    suffix = ".mkv" if options.get("codec") == "ffv1" else ".mp4"
    source, out, lines = (
        write_clip(tmp_path / f"a{suffix}", [grey] * 5, **options),
        tmp_path / "out.mp4",
        tmp_path / "r",
    )
    if turn is not None:
        turn_mp4(source, turn)
    with open_video(source) as video:
        matrix, pictures = video.info.colour.colour_matrix, [frame.picture for frame in video]
    assert all((picture.planes(matrix) is not None) == (kind in STAYS) for picture in pictures)
    faces = (face(21, 31, 90, WITHOUT_MASK), face(160, 20, 110))
    results = [FrameResult("a", i, i / 25, size_wh, faces).to_dict() for i in range(5)]
    lines.write_text("".join(json.dumps(result) + "\n" for result in results))
    assert not run_render(str(source), lines, out, style=Style()).problems
    with open_video(out) as video:
        read = [frame.bgr.astype(int) for frame in video]
    assert len(read) == 5
    expected = grey.copy()
    draw_result(expected, FrameResult("a", 0, 0.0, size_wh, faces))
    for bgr in read:
        # On the caption's ground and away from all that is drawn; lines are thin for 4:2:0.
        assert np.abs(bgr[150, 140] - 120).max() <= 4
        for one in faces:
            colour = np.array(colour_of(one.label))
            ground = (np.abs(bgr - colour).max(2) <= 14).sum()
            assert ground > 0.7 * (expected == colour).all(2).sum()


def test_planes_go_to_the_encoder_as_they_are(tmp_path: Path) -> None:
    planes = as_planes(scene())
    convert = yuv_converter(SDR_VIDEO, SIZE_WH)
    assert convert(Picture(planes)) is planes.frame
    for picture in (Picture(as_planes(scene(), 6)), Picture(as_planes(scene()[:90]))):
        frame = convert(picture)
        assert (frame.width, frame.height, frame.format.name) == (*SIZE_WH, "yuv420p")
    clip = write_clip(tmp_path / "a.mp4", [scene()] * 30, options={"g": "3"})
    with open_video(clip) as video:
        types = {convert(frame.picture).pict_type for frame in video}
    assert types == {av.video.frame.PictureType.NONE}
