"""How an annotated copy of a video is made: by which encoder, or without one."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from maskinfer.engine.errors import RequestError
from maskinfer.engine.frames.annotate import Style
from maskinfer.engine.sinks.audio import FORMATS

if TYPE_CHECKING:
    import av

COPY = "copy"
ENCODERS = ("libx264", "h264_nvenc", "h264_qsv", "h264_vaapi", COPY)
_TRIED_WH = (256, 256)
OVERLAY_SUFFIXES = (".mkv", ".ass", ".vtt")
_FASTEST = "ultrafast"
_X264_PRESETS = (
    *(_FASTEST, "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"),
)
_PRESETS: dict[str, tuple[str, ...]] = {
    "libx264": _X264_PRESETS,
    "h264_nvenc": ("p1", "p2", "p3", "p4", "p5", "p6", "p7"),
    "h264_qsv": _X264_PRESETS[2:-1],
    "h264_vaapi": (),
    COPY: (),
}
_USUAL_PRESET = {"libx264": _FASTEST, "h264_nvenc": "p4", "h264_qsv": "veryfast"}
# What each calls a quality that stays the same, from 0, the best, to 51.
_QUALITY = {"libx264": "crf", "h264_nvenc": "cq", "h264_qsv": "global_quality", "h264_vaapi": "qp"}
_USUAL_QUALITY, _WORST_QUALITY = 23, 51


@dataclass(frozen=True, slots=True)
class Encoding:
    """How an annotated copy is made.

    Attributes:
        encoder: ``libx264``; ``h264_nvenc``, ``h264_qsv`` or ``h264_vaapi``, which need hardware; or ``copy``, which
            draws nothing: the source's own packets get a subtitle track (ASS) that players draw, in .mkv, with .ass and
            .vtt files beside it. A copy that is called .ass or .vtt is that file alone.
        preset: how much effort goes into small files, by the encoder's own names; None for the fastest of x264, the
            middle one of others.
        quality: from 0, the best, to 51; None for 23.
    """

    encoder: str = "libx264"
    preset: str | None = None
    quality: int | None = None

    @property
    def is_overlay(self) -> bool:
        """Whether nothing is encoded."""
        return self.encoder == COPY

    @property
    def options(self) -> dict[str, str]:
        """The encoder's options; no B-frames, so that a film of varying frame rate has its exact length in MP4."""
        preset = self.preset or _USUAL_PRESET.get(self.encoder)
        quality = _USUAL_QUALITY if self.quality is None else self.quality
        options = {_QUALITY[self.encoder]: str(quality), "bf": "0"}
        if self.encoder == "libx264" and preset == _FASTEST and quality:
            # Its fastest preset spends a third of its time on choosing each frame's quantizer, and its files are no
            # smaller for that than with one that stays the same, for pictures as good.
            options = {"qp": str(max(1, quality - 1)), "bf": "0"}
        return options | ({} if preset is None else {"preset": preset})

    def name_of(self, relative: Path) -> Path:
        """Return what the copy of a video is called: by its name if its container is written, else with one more."""
        suffixes = (".mkv",) if self.is_overlay else tuple(FORMATS)
        is_written = relative.suffix.lower() in suffixes
        return relative if is_written else relative.with_name(f"{relative.name}{'.mkv' if self.is_overlay else '.mp4'}")

    def sidecars(self, out: Path) -> list[Path]:
        """Return the files that are written beside a copy."""
        if not self.is_overlay or out.suffix.lower() != ".mkv":
            return []
        return [out.with_suffix(".ass"), out.with_suffix(".vtt")]

    def as_it_is(self, out: Path, source: Path) -> Path | None:
        """Return what an overlay's copy is called where a .mkv cannot hold the source's pictures; None if nowhere."""
        is_copy = self.is_overlay and out.suffix.lower() == ".mkv" and source.suffix.lower() not in OVERLAY_SUFFIXES
        return out.with_suffix(source.suffix) if is_copy and source.suffix else None

    def check(self, out: Path, style: Style) -> None:
        """Check that a copy can be made so.

        Raises:
            RequestError: the suffix is of no container that is written, faces are to be hidden by an overlay, or the
                encoder is unknown, has no such preset or quality, or does not work on this machine.
        """
        self._check_options()
        suffixes = OVERLAY_SUFFIXES if self.is_overlay else tuple(FORMATS)
        if out.suffix.lower() not in suffixes:
            what = "an overlay to " if self.is_overlay else ""
            raise RequestError(f"cannot write {what}{out}: the suffix has to be one of {', '.join(suffixes)}")
        if self.is_overlay and style.blur_faces:
            raise RequestError("an overlay hides no face, as the pictures below it stay as they are: encode a copy")
        if self.is_overlay and style.logo is not None:
            raise RequestError("an overlay is text and holds no logo: encode a copy")
        if self.encoder not in (COPY, "libx264") and (reason := _why_not(self)) is not None:
            raise RequestError(f"the encoder {self.encoder} does not work here ({reason}): use libx264")

    def _check_options(self) -> None:
        if self.encoder not in ENCODERS:
            raise RequestError(f"there is no encoder {self.encoder!r}: choose from {', '.join(ENCODERS)}")
        presets = _PRESETS[self.encoder]
        if self.preset is not None and self.preset not in presets:
            known = f"choose from {', '.join(presets)}" if presets else "it has none"
            raise RequestError(f"{self.encoder} has no preset {self.preset!r}: {known}")
        if self.quality is not None and self.is_overlay:
            raise RequestError("an overlay encodes nothing, so it has no quality")
        if not 0 <= (self.quality or 0) <= _WORST_QUALITY:
            raise RequestError(f"the quality is {self.quality}, expected 0 (best) to {_WORST_QUALITY}")


PLAIN_ENCODING = Encoding()


@lru_cache
def _why_not(encoding: Encoding) -> str | None:
    """Return why an encoder does not work on this machine; None if it does."""
    import av
    import av.error

    try:
        context = cast("av.VideoCodecContext", av.CodecContext.create(encoding.encoder, "w"))
        context.options = encoding.options
        context.width, context.height = _TRIED_WH
        context.pix_fmt, context.time_base, context.framerate = "yuv420p", Fraction(1, 25), Fraction(25)
        context.open()
    except (av.error.FFmpegError, ValueError) as error:
        missing = isinstance(error, ValueError) and not isinstance(error, av.error.FFmpegError)
        return "this FFmpeg does not have it" if missing else str(getattr(error, "strerror", None) or error)
    return None
