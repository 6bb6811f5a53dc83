"""What masks are made of: the flat fabric, with its folds and seams, that ``masks`` bends over a face.

A fabric spans the whole mask: column 0 is its edge on the image's left, row 0 the edge nearest the eyes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]
_Draw = Callable[[FloatImage, FloatImage, np.random.Generator], FloatImage]
_WIDTH, _HEIGHT = 448, 320
# How deep creases go: a respirator is a shell, a surgeon's mask is paper.
_CREASING = {"surgical": 0.9, "n95": 0.4, "cloth": 1.0, "patterned": 1.0, "dark": 1.0}
_DARKS = ((0.11, 0.11, 0.11), (0.20, 0.14, 0.11), (0.17, 0.16, 0.16), (0.10, 0.09, 0.15))
_PLAINS = (
    (0.78, 0.72, 0.70),
    (0.45, 0.30, 0.22),
    (0.75, 0.60, 0.90),
    (0.62, 0.86, 0.90),
    (0.40, 0.52, 0.36),
    (0.24, 0.24, 0.62),
    (0.55, 0.42, 0.50),
    (0.86, 0.88, 0.90),
)


@dataclass(frozen=True, slots=True)
class Fabric:
    """A mask laid flat.

    Attributes:
        bgr: float32 (height, width, 3), reflectance, 0 black to 1 white; folds are shaded into it.
        strap_bgr: reflectance of the straps.
    """

    bgr: FloatImage
    strap_bgr: tuple[float, float, float]


def make_fabric(style: str, rng: np.random.Generator) -> Fabric:
    """Return a fabric of one of the styles of ``masks``; no two seeds give the same."""
    across, down = np.meshgrid(
        np.linspace(-1, 1, _WIDTH, dtype=np.float32), np.linspace(0, 1, _HEIGHT, dtype=np.float32)
    )
    bgr = _DRAW[style](across, down, rng)
    bgr *= 1 + _CREASING[style] * (_creases(across, down, rng)[..., None] - 1)
    strap = (0.12, 0.12, 0.13) if style == "dark" else (0.90, 0.91, 0.92)
    if style == "n95" and rng.random() < 0.5:
        strap = (0.35, 0.75, 0.88)
    return Fabric(np.clip(bgr, 0, 1), strap)


def _surgical(across: FloatImage, down: FloatImage, rng: np.random.Generator) -> FloatImage:
    bgr = _plain((0.93, 0.84, 0.66), rng, spread=0.024)
    shade = np.ones_like(down)
    # The side binding holds the pleats shut; in the middle the chin pulls them open.
    width = np.float32(0.15) + np.float32(0.07) * np.abs(across)
    for pleat in (0.30, 0.51, 0.72):
        shade *= _fold(down - np.float32(pleat + rng.normal(0, 0.012)), width)
    shade *= 1 - 0.10 * _line(down, 0.075, 0.006) - 0.10 * _line(down, 0.955, 0.006)
    shade *= 1 - 0.12 * _line(np.abs(across), 0.945, 0.006)
    wire = _line(down, 0.045, 0.016) * (np.abs(across) < 0.42)
    bgr = bgr * (shade + 0.06 * wire)[..., None]
    binding = _step(np.abs(across), 0.95)[..., None]
    return _mix(bgr, bgr * 0.6 + 0.36, 0.5 * binding)


def _n95(across: FloatImage, down: FloatImage, rng: np.random.Generator) -> FloatImage:
    bgr = _plain((0.925, 0.93, 0.925), rng, spread=0.012)
    shade = 1 - 0.16 * _line(down, 0.05, 0.008) - 0.14 * _line(down, 0.95, 0.008)
    if rng.random() < 0.5:
        seam = np.abs(across)
        shade -= 0.20 * _line(seam, 0.0, 0.006) - 0.05 * _line(seam, 0.02, 0.008)
    else:
        for height in (0.36, 0.68):
            shade *= _fold(down - np.float32(height) - np.float32(0.03) * across**2, np.full_like(down, 0.22))
    bgr = bgr * shade[..., None]
    return _valve(bgr, across, down, rng) if rng.random() < 0.5 else bgr


def _valve(bgr: FloatImage, across: FloatImage, down: FloatImage, rng: np.random.Generator) -> FloatImage:
    side = 0.34 * (1 if rng.random() < 0.5 else -1)
    radius = np.hypot((across - np.float32(side)) * 0.95, (down - 0.58) * 1.3)
    disc = 1 - _step(radius, 0.17)
    slots = 1 - 0.30 * (np.sin((down - 0.58) * 95) > 0.2) * (radius < 0.11)
    rim = 1 - 0.22 * _line(radius, 0.165, 0.012) + 0.05 * _line(radius, 0.13, 0.014)
    lit_from_above = 1 + 0.25 * (0.58 - down)
    return _mix(bgr, bgr * 0 + (0.83 * slots * rim * lit_from_above)[..., None], disc[..., None])


def _cloth(across: FloatImage, down: FloatImage, rng: np.random.Generator) -> FloatImage:
    return _sewn(_plain(_a_plain_colour(rng), rng, spread=0.04), across, down)


def _patterned(across: FloatImage, down: FloatImage, rng: np.random.Generator) -> FloatImage:
    base = _a_plain_colour(rng)
    ink = np.float32(np.asarray(base) * 0.45 if sum(base) > 1.6 else np.asarray(base) * 0.4 + 0.55)
    bgr = _plain(base, rng, spread=0.04)
    figure = _pattern(across, down, rng)
    return _sewn(_mix(bgr, np.broadcast_to(ink, bgr.shape), figure[..., None]), across, down)


def _a_plain_colour(rng: np.random.Generator) -> tuple[float, float, float]:
    return _PLAINS[int(rng.integers(len(_PLAINS)))]


def _sewn(bgr: FloatImage, across: FloatImage, down: FloatImage) -> FloatImage:
    weave = 1 + 0.025 * np.sin(across * 500) * np.sin(down * 400)
    return (bgr * (weave * _hemmed_seam(across, down))[..., None]).astype(np.float32)


def _dark(across: FloatImage, down: FloatImage, rng: np.random.Generator) -> FloatImage:
    bgr = _plain(_DARKS[int(rng.integers(len(_DARKS)))], rng, spread=0.012)
    sheen = 1 + 0.35 * np.exp(-(((down - 0.38) / 0.16) ** 2) - (across / 0.45) ** 2)
    return (bgr * (sheen * _hemmed_seam(across, down))[..., None]).astype(np.float32)


_DRAW: dict[str, _Draw] = {"surgical": _surgical, "n95": _n95, "cloth": _cloth, "patterned": _patterned, "dark": _dark}


def _pattern(across: FloatImage, down: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Return how much ink is where, 0 to 1: stripes, checks, dots or blots."""
    kind, pitch = rng.integers(4), rng.uniform(26, 46)
    x, y = across * np.float32(pitch), down * np.float32(pitch * 1.4)
    if kind == 0:
        return _soft(np.sin(y) - 0.3)
    if kind == 1:
        return (_soft(np.sin(x)) + _soft(np.sin(y))) * np.float32(0.5)
    if kind == 2:
        return _soft(np.sin(x) * np.sin(y) - 0.55)
    return np.float32(0.8) * _soft(_noise(rng, 14, 20) - 0.5)


def _hemmed_seam(across: FloatImage, down: FloatImage) -> FloatImage:
    hem = np.minimum(np.minimum(down, 1 - down) * 1.1, (1 - np.abs(across)))
    return 1 - 0.18 * _line(hem, 0.055, 0.007) - 0.22 * _line(across, 0.0, 0.007) + 0.08 * _line(across, 0.022, 0.012)


def _creases(across: FloatImage, down: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Return a factor near 1: soft dents, and tension folds that run from the corners to the middle."""
    height = 0.55 * _noise(rng, 5, 6) + 0.16 * _noise(rng, 12, 14)
    for corner in (-1, 1):
        angle = np.arctan2(down - 0.5, (1.25 + corner * across) * 0.9)
        fold = np.sin(angle * rng.uniform(14, 22) + rng.uniform(0, 6))
        height += 0.10 * fold * np.clip(-corner * across, 0, 1) ** 1.5
    slope = cv2.GaussianBlur(np.gradient(height, axis=0).astype(np.float32), (0, 0), 2) * _HEIGHT
    return np.clip(1 - 0.022 * slope, 0.8, 1.12).astype(np.float32)


def _plain(bgr: tuple[float, float, float], rng: np.random.Generator, spread: float) -> FloatImage:
    colour = np.asarray(bgr) + rng.normal(0, spread, 3)
    return np.broadcast_to(colour.astype(np.float32), (_HEIGHT, _WIDTH, 3)).copy()


def _noise(rng: np.random.Generator, rows: int, columns: int) -> FloatImage:
    coarse = rng.normal(0, 1, (rows, columns)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_CUBIC), np.float32)


def _fold(below: FloatImage, width: FloatImage) -> FloatImage:
    """Return the shade of a pleat: a dark line where it tucks in, light on the roll above, fading shade below."""
    tuck = np.exp(-((below / 0.008) ** 2))
    shadow = np.where(below > 0, np.exp(-below / (0.35 * width)), 0)
    roll = np.exp(-(((below + 0.035) / 0.025) ** 2))
    return (1 - 0.24 * tuck - 0.15 * shadow + 0.06 * roll).astype(np.float32)


def _line(value: FloatImage, at: float, width: float) -> FloatImage:
    return np.exp(-(((value - np.float32(at)) / np.float32(width)) ** 2))


def _step(value: FloatImage, at: float) -> FloatImage:
    return np.clip((value - np.float32(at)) * 80 + 0.5, 0, 1)


def _soft(value: FloatImage) -> FloatImage:
    return np.clip(value * 4 + 0.5, 0, 1).astype(np.float32)


def _mix(under: FloatImage, over: FloatImage, alpha: FloatImage) -> FloatImage:
    return under + (over - under) * alpha
