"""How an annotated copy of a video is made: by which encoder, or without one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from maskinfer.engine.errors import RequestError
from maskinfer.engine.frames.annotate import Style
from maskinfer.engine.sinks.audio import FORMATS

COPY = "copy"
OVERLAY_SUFFIXES = (".mkv", ".ass", ".vtt")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How an annotated copy is made.

    Attributes:
        encoder: ``libx264``; or ``copy``, which draws nothing: the source's own packets get a subtitle track (ASS) that
            players draw, in .mkv, with .ass and .vtt files beside it. A copy that is called .ass or .vtt is that file
            alone.
    """

    encoder: str = "libx264"

    @property
    def is_overlay(self) -> bool:
        """Whether nothing is encoded."""
        return self.encoder == COPY

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

    def check(self, out: Path, style: Style) -> None:
        """Check that a copy can be made so.

        Raises:
            RequestError: the suffix is of no container that is written, or faces are to be hidden by an overlay.
        """
        suffixes = OVERLAY_SUFFIXES if self.is_overlay else tuple(FORMATS)
        if out.suffix.lower() not in suffixes:
            what = "an overlay to" if self.is_overlay else ""
            raise RequestError(f"cannot write {what} {out}: the suffix has to be one of {', '.join(suffixes)}")
        if self.is_overlay and style.blur_faces:
            raise RequestError(
                "an overlay hides no face: the pictures below it stay as they are; encode a copy instead"
            )


PLAIN_ENCODING = Encoding()
