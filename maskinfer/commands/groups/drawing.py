"""The options of how annotated pictures and videos look, who is hidden in them, and how videos are encoded."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from maskinfer.commands.options import PATH, Number, grouped, is_given, option, refuse

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from maskinfer.engine.frames.annotate import Style
    from maskinfer.engine.sinks.copies.encoding import Encoding

_F = TypeVar("_F", bound=Callable[..., Any])
_BLURRED = "faces are blurred only with --blur-faces, --blur or --blur-except"
# Those of encoding.ENCODERS and logo.CORNERS, which are not imported for --help; tests compare them.
LOGO_CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")
ENCODER_NAMES = ("libx264", "h264_nvenc", "h264_qsv", "h264_vaapi", "copy")


@dataclass(frozen=True, slots=True)
class StillBlurOptions:
    """Whether faces of images are blurred, and how."""

    blur_faces: bool
    blur: tuple[str, ...]
    blur_except: tuple[str, ...]
    blur_as: str
    blur_margin: float

    def read(self, style: Style) -> Style:
        """Return how images are annotated."""
        return _blurred(style, self, ("blur_as", "blur_margin"))


@dataclass(frozen=True, slots=True)
class BlurOptions:
    """Whether faces are blurred, and how."""

    blur_faces: bool
    blur: tuple[str, ...]
    blur_except: tuple[str, ...]
    blur_as: str
    blur_margin: float
    blur_hold: float

    def read(self, style: Style) -> Style:
        """Return how frames are annotated, by a style in which what is not given stays as it is."""
        style = _blurred(style, self, ("blur_as", "blur_margin", "blur_hold"))
        return replace(style, blur_hold_s=self.blur_hold) if is_given("blur_hold") else style


def _blurred(style: Style, options: StillBlurOptions | BlurOptions, details: Sequence[str]) -> Style:
    if sum((options.blur_faces, bool(options.blur), bool(options.blur_except))) > 1:
        raise click.UsageError("choose one of --blur-faces, --blur and --blur-except")
    if options.blur_faces or options.blur or options.blur_except:
        style = replace(style, blur_faces=True, blur_labels=options.blur, blur_except=options.blur_except)
    if not style.blur_faces:
        refuse(details, _BLURRED)
    if is_given("blur_as"):
        style = replace(style, blur_solid=options.blur_as == "solid")
    return replace(style, blur_margin=options.blur_margin) if is_given("blur_margin") else style


_BLUR = (
    option("--blur-faces", is_flag=True, help="Make every face unrecognizable in annotated pictures and videos."),
    option("--blur", multiple=True, metavar="LABEL",
           help="Make faces with this label unrecognizable; may be repeated."),
    option("--blur-except", multiple=True, metavar="LABEL",
           help="Make all faces unrecognizable but those with this label; may be repeated."),
    option("--blur-as", type=click.Choice(["pixels", "solid"]), default="pixels", show_default=True,
           help="Show a blurred face as a few large pixels, or paint over it."),
    option("--blur-margin", type=Number(0, 2), default=0.15, show_default=True, metavar="SHARE",
           help="Margin around the box of a blurred face, as a share of the box."),
)  # fmt: skip
still_blur_options = grouped("blur", StillBlurOptions, "Blurring", *_BLUR)
blur_options = grouped(
    "blur", BlurOptions, "Blurring", *_BLUR,
    option("--blur-hold", type=Number(0, 10), default=1.0, show_default=True, metavar="SECONDS",
           help="How long a tracked face that is not detected stays blurred where it was; in recorded videos also "
                "where it is going to be, and on its way between two detections. A face that is blurred by its label "
                "is so for this long before and after."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LookOptions:
    """How results look where they are drawn."""

    label_colour: tuple[tuple[str, tuple[int, int, int]], ...]
    label_words: tuple[tuple[str, str], ...]
    line: float
    font_size: float
    count: tuple[str, ...]
    clock: bool
    clock_start: datetime | None
    logo: Path | None
    logo_corner: str
    logo_width: float

    def read(self, style: Style) -> Style:
        """Return how frames are annotated, by a style in which what is not given stays as it is."""
        if not self.clock:
            refuse(("clock_start",), "there is no --clock")
        given = {
            "colours": self.label_colour, "words": self.label_words, "line": self.line, "font": self.font_size,
            "counted": self.count, "clock": self.clock, "clock_start": self.clock_start,
        }  # fmt: skip
        names = ("label_colour", "label_words", "line", "font_size", "count", "clock", "clock_start")
        changed = {field: value for (field, value), name in zip(given.items(), names, strict=True) if is_given(name)}
        style = replace(style, look=replace(style.look, **changed)) if changed else style  # type: ignore[arg-type]
        return self._with_logo(style)

    def _with_logo(self, style: Style) -> Style:
        from maskinfer.engine.frames.logo import read_logo

        if self.logo is not None:
            return replace(style, logo=read_logo(self.logo, self.logo_corner, self.logo_width))
        if style.logo is None:
            refuse(("logo_corner", "logo_width"), "there is no --logo")
            return style
        corner = self.logo_corner if is_given("logo_corner") else style.logo.corner
        width = self.logo_width if is_given("logo_width") else style.logo.width
        return replace(style, logo=replace(style.logo, corner=corner, width=width))


def _pair(value: str) -> tuple[str, str]:
    label, _, rest = value.partition("=")
    if not label or not rest:
        raise click.BadParameter(f"{value!r}: expected LABEL=..., as without_mask=#c00000")
    return label, rest


def _read_colours(
    _ctx: click.Context, _param: click.Parameter, values: Sequence[str]
) -> tuple[tuple[str, tuple[int, int, int]], ...]:
    pairs = []
    for label, text in map(_pair, values):
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
            raise click.BadParameter(f"{text!r} is no colour: expected #rrggbb, as #c00000")
        red, green, blue = (int(text[i : i + 2], 16) for i in (1, 3, 5))
        pairs.append((label, (blue, green, red)))
    return tuple(pairs)


def _read_words(_ctx: click.Context, _param: click.Parameter, values: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple(map(_pair, values))


def _read_start(_ctx: click.Context, _param: click.Parameter, value: str | None) -> datetime | None:
    from datetime import datetime

    try:
        return None if value is None else datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no time: expected as 2026-11-25T08:00:00") from None


look_options = grouped(
    "look", LookOptions, "Look",
    option("--label-colour", multiple=True, callback=_read_colours, metavar="LABEL=#RRGGBB",
           help="Draw this label in this colour; may be repeated."),
    option("--label-words", multiple=True, callback=_read_words, metavar="LABEL=TEXT",
           help="Call this label so, as in another language; nose and nose_and_mouth are what a badly worn mask leaves "
                "uncovered; may be repeated."),
    option("--line", type=Number(0.2, 10), default=1.0, show_default=True, metavar="NUMBER",
           help="Width of lines, as a multiple of the usual one."),
    option("--font-size", type=Number(0.2, 10), default=1.0, show_default=True, metavar="NUMBER",
           help="Size of letters, as a multiple of the usual one."),
    option("--count", multiple=True, metavar="LABEL", help="Count only faces with this label; may be repeated."),
    option("--clock", is_flag=True, help="Write the time since the first frame into the upper left corner."),
    option("--clock-start", callback=_read_start, metavar="TIME",
           help="Time of the first frame on the wall, as 2026-11-25T08:00:00, for --clock."),
    option("--logo", type=PATH, metavar="FILE",
           help="Image that is drawn on every frame; what is transparent in it stays so."),
    option("--logo-corner", type=click.Choice(LOGO_CORNERS), default="bottom-right", show_default=True,
           help="Where the logo lies."),
    option("--logo-width", type=Number(0, 1, min_open=True), default=0.12, show_default=True,
           metavar="SHARE", help="Width of the logo, as a share of the picture's."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EncodingOptions:
    """How annotated videos are made."""

    overlay: bool
    encoder: str
    encoder_preset: str | None
    quality: int | None

    def read(self, encoding: Encoding | None = None) -> Encoding:
        """Return how annotated videos are made, by what there is already for what is not given."""
        from maskinfer.engine.sinks.copies.encoding import COPY, Encoding

        if self.overlay:
            refuse(("encoder_preset", "quality"), "an overlay encodes nothing")
            if is_given("encoder") and self.encoder != COPY:
                raise click.UsageError(f"--overlay encodes nothing: leave out --encoder {self.encoder}")
            return Encoding(COPY)
        named = {"encoder": "encoder", "encoder_preset": "preset", "quality": "quality"}
        given = {field: getattr(self, name) for name, field in named.items() if is_given(name)}
        return replace(encoding or Encoding(), **given)


encoding_options = grouped(
    "encoded", EncodingOptions, "Annotated video",
    option("--overlay", is_flag=True,
           help="Encode nothing: copy the source's own pictures and sound into a .mkv with boxes and labels as a "
                "subtitle track, and write the track to .ass and .vtt files beside it."),
    option("--encoder", type=click.Choice(ENCODER_NAMES), default="libx264", show_default=True,
           help="H.264 encoder, which is then used or reported as not working; copy is --overlay."),
    option("--encoder-preset", metavar="NAME",
           help="How much effort goes into small files, by the encoder's own names, as medium of libx264; by default "
                "its fastest."),
    option("--quality", type=click.IntRange(0, 51), metavar="NUMBER",
           help="Quality of the pictures, from 0 (best) to 51; by default 23."),
)  # fmt: skip
