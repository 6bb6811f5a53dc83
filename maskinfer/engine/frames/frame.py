"""A frame of a source: its picture, and when and where it was taken."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from maskinfer.engine.frames.colour import SDR_VIDEO, Colour
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.results import BGRFrame


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a source, from reading to writing.

    Attributes:
        source: its source, as the user named it, without passwords.
        index: its index in the source, from 0.
        time_s: presentation time in seconds from the source's first frame; 0 for an image.
        picture: the pixels, upright; the caller may draw on them.
        pts: presentation time on the source's clock, in ticks of ``time_base``; strictly increasing.
        time_base: seconds per tick.
        duration: ticks until the next frame; None if unknown.
    """

    source: str
    index: int
    time_s: float
    picture: Picture
    pts: int = 0
    time_base: Fraction = Fraction(1)
    duration: int | None = None

    @property
    def bgr(self) -> BGRFrame:
        """The pixels, uint8 (height, width, 3), BGR, 0 to 255; the caller may draw on them."""
        return self.picture.bgr


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of a video before its frames are read. For a recording it may be made by hand.

    Attributes:
        source: path or URL as the user named it, without passwords.
        size_wh: width and height of the first frame in pixels, upright.
        time_base: seconds per tick of the frames' ``pts``.
        frame_rate: average, in frames per second; None when not declared.
        frame_count: as declared; None when not declared.
        duration_s: as declared, in seconds; None when not declared, as for a live stream.
        colour: how the samples are to be understood.
        pixel_aspect: width of a pixel over its height, upright.
        clock_start_s: where the source's clock starts, when that is far from 0 (transport streams begin
            anywhere); a copy of the video may start at 0 instead.
        sound_tracks: how many there are beside the pictures.
    """

    source: str
    size_wh: tuple[int, int]
    time_base: Fraction
    frame_rate: Fraction | None = None
    frame_count: int | None = None
    duration_s: float | None = None
    colour: Colour = SDR_VIDEO
    pixel_aspect: Fraction = Fraction(1)
    clock_start_s: Fraction = Fraction(0)
    sound_tracks: int = 0
