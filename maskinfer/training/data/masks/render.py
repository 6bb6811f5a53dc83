"""Paints a bent mask into a picture: as sharp as the picture, and lit like the face underneath."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.results import BGRFrame
from maskinfer.training.data.masks.fabric import FloatImage
from maskinfer.training.data.masks.head import Camera, Floats


@dataclass(frozen=True, slots=True)
class Canvas:
    """The part of the picture that changes, and how much finer than it the mask is drawn."""

    x0: int
    y0: int
    width: int
    height: int
    scale: int

    def points(self, pixels: Floats) -> Floats:
        """Return pixels of the picture as fine pixels of the canvas; both count from pixel centres."""
        return (pixels - (self.x0, self.y0) + 0.5) * self.scale - 0.5

    def blank(self) -> FloatImage:
        """Return zeros, one for each fine pixel."""
        return np.zeros((self.height * self.scale, self.width * self.scale), np.float32)

    def shrink(self, fine: FloatImage) -> FloatImage:
        """Return the means over the fine pixels of each pixel of the picture."""
        size = (self.width, self.height)
        return np.asarray(cv2.resize(fine, size, interpolation=cv2.INTER_AREA), np.float32)


def canvas_for(bgr: BGRFrame, camera: Camera, pieces: list[Floats]) -> Canvas:
    """Return the part of the picture that holds all the points, (N, 3) in head space, and a margin; may be empty."""
    pixels = camera.project(np.concatenate(pieces))
    margin = 0.15 * camera.unit_px + 4
    height, width = bgr.shape[:2]
    x0, y0 = np.floor(np.clip(pixels.min(0) - margin, 0, (width, height))).astype(int)
    x1, y1 = np.ceil(np.clip(pixels.max(0) + margin, 0, (width, height))).astype(int)
    scale = int(np.clip(np.ceil(120 / camera.unit_px), 2, 6))
    return Canvas(int(x0), int(y0), int(x1 - x0), int(y1 - y0), scale)


def render_mesh(canvas: Canvas, camera: Camera, mesh: Floats, fabric: FloatImage) -> tuple[FloatImage, FloatImage]:
    """Return how much of each pixel the mask covers, 0 to 1, and its colour, float32 (height, width, 3)."""
    corners = mesh.reshape(-1, 3)
    rows, columns = mesh.shape[:2]
    points = canvas.points(camera.project(corners))
    triangles = _visible_triangles(points, corners @ camera.towards_viewer, rows, columns)
    owner = _fill(canvas, points, triangles)
    across, down = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
    flat = np.column_stack((across.ravel(), down.ravel()))
    where = _texture_coordinates(owner, points, flat, triangles)
    lit = _lit(_matched_size(fabric, points), mesh)
    fine = cv2.remap(lit, where[..., 0] * (lit.shape[1] - 1), where[..., 1] * (lit.shape[0] - 1), cv2.INTER_LINEAR)
    cover = (owner >= 0).astype(np.float32)
    shrunk = canvas.shrink(cover)
    colours = canvas.shrink(fine * cover[..., None]) / np.maximum(shrunk, np.float32(1e-3))[..., None]
    return shrunk, np.asarray(colours, np.float32)


def _visible_triangles(points: Floats, nearness: Floats, rows: int, columns: int) -> NDArray[np.intp]:
    """Return the corners' indices of the triangles that face the viewer, (N, 3), the farthest first."""
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    triangles = np.concatenate((np.stack((a, b, c), 1), np.stack((a, c, d), 1)))
    first, second = points[triangles[:, 1]] - points[triangles[:, 0]], points[triangles[:, 2]] - points[triangles[:, 0]]
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    triangles = triangles[area > 1e-3]
    order = np.argsort(nearness[triangles].mean(1), kind="stable")
    return np.asarray(triangles[order], np.intp)


def _fill(canvas: Canvas, points: Floats, triangles: NDArray[np.intp]) -> NDArray[np.int32]:
    """Return for each fine pixel which triangle is seen there, -1 where none is."""
    owner = np.full(canvas.blank().shape, -1, np.int32)
    fixed = np.round(points * 16).astype(np.int32)
    for number, triangle in enumerate(triangles):
        cv2.fillConvexPoly(owner, fixed[triangle], number, shift=4)
    return owner


def _texture_coordinates(
    owner: NDArray[np.int32], points: Floats, flat: Floats, triangles: NDArray[np.intp]
) -> FloatImage:
    if not len(triangles):
        return np.zeros((*owner.shape, 2), np.float32)
    corners = np.concatenate((points[triangles], np.ones((len(triangles), 3, 1))), 2)
    to_flat = np.linalg.solve(corners, flat[triangles])
    y, x = np.mgrid[: owner.shape[0], : owner.shape[1]]
    here = to_flat[np.maximum(owner, 0)]
    where = x[..., None] * here[..., 0, :] + y[..., None] * here[..., 1, :] + here[..., 2, :]
    return np.clip(where, 0, 1).astype(np.float32)


def _matched_size(fabric: FloatImage, points: Floats) -> FloatImage:
    """Shrink the fabric to about the size it is drawn at, or its weave would flicker."""
    width_px = max(8.0, float(np.ptp(points, axis=0).max()))
    factor = min(1.0, width_px / fabric.shape[1])
    size = (max(8, round(fabric.shape[1] * factor)), max(8, round(fabric.shape[0] * factor)))
    return np.asarray(cv2.resize(fabric, size, interpolation=cv2.INTER_AREA), np.float32)


def _lit(fabric: FloatImage, mesh: Floats) -> FloatImage:
    """Shade the fabric by how the mask bends under a light from above the head and in front."""
    normal = np.cross(np.gradient(mesh, axis=1), np.gradient(mesh, axis=0))
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-9
    light = np.array([0.0, -0.5, 0.87])
    shade = (0.66 + 0.40 * np.clip(normal @ light, -0.2, 1)).astype(np.float32)
    size = (fabric.shape[1], fabric.shape[0])
    return fabric * cv2.resize(shade, size, interpolation=cv2.INTER_CUBIC)[..., None]


def render_straps(canvas: Canvas, camera: Camera, straps: list[Floats]) -> FloatImage:
    """Return how much of each pixel the straps cover, 0 to 1; they fade where the hair begins."""
    fine = canvas.blank()
    thickness = max(1, round(0.038 * camera.unit_px * canvas.scale))
    for strap in straps:
        fixed = np.round(canvas.points(camera.project(strap)) * 16).astype(np.int32)
        for number, (start, end) in enumerate(pairwise(fixed)):
            fade = min(1.0, (len(fixed) - 1 - number) / 4)
            cv2.line(fine, start.tolist(), end.tolist(), 0.9 * fade, thickness, cv2.LINE_8, 4)
    return canvas.shrink(fine)


def render_balls(canvas: Canvas, camera: Camera, balls: tuple[tuple[float, float, float, float], ...]) -> FloatImage:
    """Return how much of each pixel spheres (x, y, z, radius) in head space cover, 0 to 1, with a soft edge."""
    fine = canvas.blank()
    for *centre, radius in balls:
        point = np.round(canvas.points(camera.project(np.array(centre))) * 16).astype(int).tolist()
        cv2.circle(fine, point, round(radius * camera.unit_px * canvas.scale * 16), 1.0, cv2.FILLED, cv2.LINE_8, 4)
    return canvas.shrink(fine)


def composite(
    bgr: BGRFrame,
    canvas: Canvas,
    camera: Camera,
    layers: list[tuple[FloatImage, FloatImage]],
    rng: np.random.Generator,
) -> BGRFrame:
    """Return the picture with layers of (cover, reflectance) over it, the last on top."""
    region = (slice(canvas.y0, canvas.y0 + canvas.height), slice(canvas.x0, canvas.x0 + canvas.width))
    under = bgr[region].astype(np.float32)
    light = _light(under, canvas, camera)
    blur_px = _blur_px(under, camera)
    vividness = float(np.clip(_quantile(np.ptp(under, axis=2), 75) / 45, 0, 1))
    whole = np.max([cover for cover, _ in layers], axis=0)
    painted = np.asarray(under * (1 - 0.20 * _contact_shadow(whole, camera))[..., None], np.float32)
    grain = rng.normal(0, 1, under.shape[:2]).astype(np.float32) * _noise_level(under)
    for cover, reflectance in layers:
        soft = _blurred(cover, blur_px)
        premultiplied = _blurred(reflectance * cover[..., None], blur_px)
        colour = np.asarray(premultiplied / np.maximum(soft, np.float32(1e-3))[..., None], np.float32)
        shown = _rolled_off(_toned(colour, vividness) * light) + grain[..., None]
        painted += np.asarray((shown - painted) * soft[..., None], np.float32)
    out = bgr.copy()
    out[region] = np.clip(np.round(painted), 0, 255).astype(np.uint8)
    return out


def _light(bgr: FloatImage, canvas: Canvas, camera: Camera) -> FloatImage:
    """Return what a white surface on the face would show, float32 (height, width, 3), in grey levels."""
    grey = _grey(bgr)
    skin = render_balls(canvas, camera, ((0.0, 0.75, 0.0, 0.8),)) + 1e-4
    sigma = 0.32 * camera.unit_px
    local = _blurred(grey * skin, sigma) / np.maximum(_blurred(skin, sigma), np.float32(1e-6))
    mean = float((grey * skin).sum() / skin.sum())
    # Beards and open mouths are dark too, so the skin's shading is followed only in part.
    shading = np.clip(local / max(mean, 1.0), 0.4, 1.6) ** np.float32(0.8)
    # Dark skin is no dim light: what is brightest around the face has a say.
    brightest = max(1.12 * _quantile(grey[skin > 0.5], 85), 0.85 * _quantile(grey, 98))
    exposure = float(np.clip(30 + 0.90 * brightest, 40, 250))
    return np.asarray((shading * np.float32(exposure))[..., None] * _cast(bgr), np.float32)


def _toned(colour: FloatImage, vividness: float) -> FloatImage:
    """Take colour out, for a picture that has little or none: vividness 0 is grey, 1 as it was."""
    grey = _grey(colour)[..., None]
    return np.asarray(grey + (colour - grey) * np.float32(vividness), np.float32)


def _quantile(values: FloatImage, percent: float) -> float:
    return float(np.percentile(values, percent)) if values.size else 128.0


def _cast(bgr: FloatImage) -> FloatImage:
    """Return the light's colour, mean 1: a weak share of the mean colour, for faces are no grey cards."""
    mean = bgr.reshape(-1, 3).mean(0) + 8
    cast = (mean / mean.mean()) ** 0.22
    return np.asarray(cast / cast.mean(), np.float32)


def _rolled_off(levels: FloatImage) -> FloatImage:
    """Bend what would clip: above 215 the levels approach 250."""
    over = np.maximum(levels - 215, 0)
    return np.minimum(levels, 215) + 35 * (1 - np.exp(-over / 35))


def _contact_shadow(cover: FloatImage, camera: Camera) -> FloatImage:
    down = camera.axes[1] * 0.04
    moved = np.asarray(
        cv2.warpAffine(cover, np.array([[1, 0, down[0]], [0, 1, down[1]]]), cover.shape[::-1]), np.float32
    )
    return _blurred(moved, 0.04 * camera.unit_px)


def _blur_px(bgr: FloatImage, camera: Camera) -> float:
    """Return the picture's own blur as a Gaussian's sigma, from how much its edges lose when blurred again."""
    grey = _grey(bgr)
    sharp, again = _quantile(_slope(grey), 97), _quantile(_slope(_blurred(grey, 1.0)), 97)
    ratio = max(sharp / max(again, 1e-3), 1.02)
    return float(np.clip(0.8 / np.sqrt(ratio**2 - 1), 0.35, max(0.4, 0.035 * camera.unit_px)))


def _slope(grey: FloatImage) -> FloatImage:
    return np.asarray(np.hypot(*np.gradient(grey)), np.float32) if min(grey.shape) > 1 else grey


def _noise_level(bgr: FloatImage) -> float:
    """Return the standard deviation of the picture's grain in grey levels, from its flattest quarter."""
    grey = _grey(bgr)
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6
    residual = np.abs(np.asarray(cv2.filter2D(grey, -1, kernel), np.float32))
    return min(4.0, _quantile(residual, 25) / 0.32)


def _grey(bgr: FloatImage) -> FloatImage:
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), np.float32)


def _blurred(image: FloatImage, sigma: float) -> FloatImage:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.float32)
