from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from maskinfer.engine.frames.draw import (
    LABEL_COLOURS,
    LEGEND_COLOUR,
    LEGEND_OPACITY,
    LEGEND_TEXT_COLOUR,
    OTHER_COLOUR,
    TEXT_COLOUR,
    colour_of,
    draw_result,
)
from maskinfer.engine.records import Bare
from maskinfer.engine.results import (
    INCORRECT_MASK,
    LABELS,
    NOSE,
    NOSE_AND_MOUTH,
    WITH_MASK,
    WITHOUT_MASK,
    BGRFrame,
    Face,
    FrameResult,
)

SIZES_WH = [(854, 480), (1920, 1080), (3840, 2160), (360, 640)]
SWATCH_PX = 80
"""The least that a label's square in the legend has at 720p."""
COLOURS = [*LABEL_COLOURS.values(), OTHER_COLOUR]

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
BLINDNESS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def face(left: float, top: float, width: float, height: float, label: str = WITH_MASK, score: float = 0.9) -> Face:
    return Face((left, top, left + width, top + height), 0.9, None, label, score, {label: score})


def drawn(size_wh: tuple[int, int], *faces: Face, level: int = 110) -> BGRFrame:
    bgr = np.full((size_wh[1], size_wh[0], 3), level, np.uint8)
    draw_result(bgr, FrameResult("a.mp4", 0, 0.0, size_wh, faces))
    return bgr


def is_colour(bgr: BGRFrame, colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = (bgr == np.array(colour, np.uint8)).all(axis=2)
    return result


def linear(colour: tuple[float, ...]) -> NDArray[np.float64]:
    value = np.array(colour[::-1], float) / 255
    return np.asarray(np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4))


def luminance(colour: tuple[float, ...]) -> float:
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def contrast(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def lab(linear_rgb: NDArray[np.float64]) -> NDArray[Any]:
    clipped = np.clip(linear_rgb, 0, 1)
    encoded = np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055)
    return cv2.cvtColor(encoded[None, None].astype(np.float32), cv2.COLOR_RGB2LAB)[0, 0]


@pytest.mark.parametrize("colour", COLOURS)
def test_captions_can_be_read(colour: tuple[int, int, int]) -> None:
    assert contrast(TEXT_COLOUR, colour) >= 4.5


def test_the_legend_can_be_read_even_on_white() -> None:
    ground = tuple(LEGEND_OPACITY * value + (1 - LEGEND_OPACITY) * 255 for value in LEGEND_COLOUR)
    assert contrast(LEGEND_TEXT_COLOUR, ground) >= 4.5


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_labels_are_told_apart_by_the_colour_blind(blindness: str) -> None:
    seen = [lab(np.array(BLINDNESS[blindness]) @ linear(colour)) for colour in LABEL_COLOURS.values()]
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) > 25


def test_every_label_has_its_colour_and_others_are_grey() -> None:
    assert set(LABEL_COLOURS) == set(LABELS)
    assert colour_of("uncertain") == OTHER_COLOUR
    assert len({colour_of(label) for label in [*LABELS, "uncertain"]}) == 4


@pytest.mark.parametrize("size_wh", SIZES_WH)
@pytest.mark.parametrize("label", [*LABELS, "uncertain"])
def test_a_box_in_the_labels_colour(size_wh: tuple[int, int], label: str) -> None:
    width, height = size_wh
    left, top, side = width // 3, height // 3, height // 5
    bgr = drawn(size_wh, face(left, top, side, side, label))
    border = [(left, top + side // 2), (left + side, top + side // 2), (left + side // 2, top + side)]
    assert all(is_colour(bgr, colour_of(label))[y, x] for x, y in border)
    inside = bgr[top + side // 4 : top + 3 * side // 4, left + side // 4 : left + 3 * side // 4]
    assert (inside == 110).all()


@pytest.mark.parametrize("size_wh", SIZES_WH)
def test_a_caption_above_its_box(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    left, top, side = width // 4, height // 3, min(size_wh) // 3
    bgr = drawn(size_wh, face(left, top, side, side, WITHOUT_MASK))
    above = bgr[top - height // 14 : top - height // 100]
    background = is_colour(above, colour_of(WITHOUT_MASK)).any(axis=0)
    text = (above.max(axis=2) < 40).any(axis=0)
    assert background.sum() > side // 3
    assert text[background.argmax() :].sum() > 20


def test_lines_and_captions_grow_with_the_frame() -> None:
    lines, captions = [], []
    for width, height in SIZES_WH[:3]:
        bgr = drawn((width, height), face(width // 4, height // 4, height // 2, height // 2))
        colour = is_colour(bgr, colour_of(WITH_MASK))
        lines.append(int(colour[height // 2, : width // 2].sum()))
        captions.append(int(colour[: height // 4 - lines[-1]].any(axis=1).sum()))
    assert 2 <= lines[0] < lines[1] < lines[2] <= 10
    assert 12 <= captions[0] < captions[1] < captions[2] <= 80


CORNERS = [(-0.02, -0.05), (0.72, -0.05), (-0.02, 0.85), (0.72, 0.85), (0.4, 0.0)]


@pytest.mark.parametrize("size_wh", SIZES_WH)
@pytest.mark.parametrize("corner", CORNERS)
def test_captions_stay_inside_the_frame(size_wh: tuple[int, int], corner: tuple[float, float]) -> None:
    width, height = size_wh
    at_corner = face(corner[0] * width, corner[1] * height, 0.3 * width, 0.25 * height, INCORRECT_MASK)
    in_middle = face(0.3 * width, 0.4 * height, 0.3 * width, 0.25 * height, INCORRECT_MASK)
    # The caption is as large at the border as in the middle, so none of it was cut off; the box may be.
    assert _text_px(drawn(size_wh, at_corner)) > 0.6 * _text_px(drawn(size_wh, in_middle))


def _text_px(bgr: BGRFrame) -> int:
    colour = is_colour(bgr, colour_of(INCORRECT_MASK))
    # Filled areas only: what is left when lines are eroded away.
    size = max(4, bgr.shape[0] // 120)
    filled = cv2.morphologyEx(colour.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((size, size), np.uint8))
    return int(cv2.erode(filled, np.ones((2 * size, 2 * size), np.uint8)).sum())


def test_small_faces_are_not_drowned_by_their_captions() -> None:
    faces = [face(60 + 90 * i, 200 + 100 * j, 26, 32) for i in range(20) for j in range(6)]
    bgr = drawn((1920, 1080), *faces)
    changed = (bgr[100:900] != 110).any(axis=2).mean()
    boxes = 120 * 26 * 32 / (1920 * 800)
    assert changed < 0.6 * boxes


def test_a_smaller_face_has_a_smaller_caption_and_a_tiny_one_none() -> None:
    areas = [
        int(is_colour(drawn((1920, 1080), face(600, 400, side, side)), colour_of(WITH_MASK))[300:395].sum())
        for side in (200, 100, 45, 20)
    ]
    assert areas[0] > areas[1] > areas[2] > areas[3] == 0


def test_a_caption_does_not_cover_a_neighbouring_face() -> None:
    upper, lower = face(500, 200, 200, 190), face(500, 400, 200, 190)
    bgr = drawn((1920, 1080), upper, lower)
    # Above the lower face is the upper one, so its caption is below.
    assert (bgr[220:370, 520:680] == 110).all()
    assert is_colour(bgr, colour_of(WITH_MASK))[594:615, 500:].any(axis=1).all()


@pytest.mark.parametrize(("bare", "words"), [(NOSE, "nose uncovered"), (NOSE_AND_MOUTH, "nose and mouth uncovered")])
def test_a_caption_says_what_a_badly_worn_mask_leaves_bare(bare: Bare, words: str) -> None:
    def caption(one: Face) -> NDArray[np.bool_]:
        return is_colour(drawn((1920, 1080), one)[340:395], TEXT_COLOUR)

    said = caption(replace(face(600, 400, 400, 400, INCORRECT_MASK), bare=bare))
    assert (said == caption(face(600, 400, 400, 400, words))).all()
    narrow = replace(face(600, 400, 90, 90, INCORRECT_MASK), bare=NOSE_AND_MOUTH)
    assert (caption(narrow) == caption(replace(narrow, bare=None))).all()


def test_the_legend_counts_every_label() -> None:
    none = drawn((1280, 720))
    three = drawn((1280, 720), *[face(100 + 200 * i, 100, 90, 90, WITHOUT_MASK) for i in range(3)])
    for label in LABELS:
        assert is_colour(none, colour_of(label))[600:].sum() >= SWATCH_PX
    assert is_colour(none, OTHER_COLOUR)[600:].sum() < SWATCH_PX
    differing = (none[600:] != three[600:]).any(axis=(0, 2)).nonzero()[0]
    swatch = is_colour(none, colour_of(WITHOUT_MASK))[600:].any(axis=0).nonzero()[0]
    after = is_colour(none, colour_of(INCORRECT_MASK))[600:].any(axis=0).nonzero()[0]
    assert len(differing) > 0
    assert swatch.max() < differing.min() <= differing.max() < after.min()


def test_the_legend_names_other_labels_that_occur() -> None:
    bgr = drawn((1280, 720), face(300, 100, 90, 90, "uncertain"))
    assert is_colour(bgr, OTHER_COLOUR)[600:].sum() >= SWATCH_PX


def test_a_narrow_frame_has_its_legend_in_a_column() -> None:
    bgr = drawn((240, 426))
    tops = [int(is_colour(bgr, colour_of(label)).any(axis=1).argmax()) for label in LABELS]
    assert 213 < tops[0] < tops[1] < tops[2]


@pytest.mark.parametrize("size_wh", [(1, 1), (16, 12), (64, 48), (2000, 20), (20, 2000)])
def test_any_frame_size_and_any_box(size_wh: tuple[int, int]) -> None:
    faces = [face(-1e4, -1e4, 2e4, 2e4), face(5, 5, 0, 0), face(1e4, 1e4, 10, 10), face(0.4, 0.6, 3.3, 2.2, "x" * 60)]
    assert drawn(size_wh, *faces).shape == (size_wh[1], size_wh[0], 3)
