"""What decodes recordings: FFmpeg's own decoders on the CPU, or the hardware of a graphics card.

H.264, HEVC, VP9 and AV1 say to the bit what is to be decoded, so results do not depend on the decoder.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from maskinfer.engine.errors import RequestError, SourceError

if TYPE_CHECKING:
    from av.codec.hwaccel import HWAccel
    from av.video.codeccontext import VideoCodecContext

CPU = "cpu"
DECODERS = (CPU, "cuda", "vaapi", "videotoolbox", "d3d11va", "vulkan")
# That all of them know; whether one knows a video's own codec shows when the video is opened.
_TRIED_CODEC = "h264"
_REMEDY = "leave out --decoder to decode on the CPU"


def check_decoder(decoder: str) -> None:
    """Check that a decoder works on this machine.

    Raises:
        RequestError: it does not, or there is none of that name.
    """
    if decoder not in DECODERS:
        raise RequestError(f"there is no decoder {decoder!r}: choose from {', '.join(DECODERS)}")
    if decoder != CPU and (reason := _why_not(decoder)) is not None:
        raise RequestError(f"the decoder {decoder} does not work here ({reason}): {_REMEDY}")


@lru_cache
def _why_not(decoder: str) -> str | None:
    import av
    import av.error

    try:
        accelerator(decoder).create(av.Codec(_TRIED_CODEC, "r"))
    except NotImplementedError:
        return "this PyAV was built without it"
    except av.error.FFmpegError as error:
        return f"there is no such device, or no driver for it; FFmpeg says: {error.strerror}"
    return None


def accelerator(decoder: str) -> HWAccel:
    """Return what PyAV opens a file with so that a device and nothing else decodes it, into main memory."""
    from av.codec.hwaccel import HWAccel

    return HWAccel(decoder, allow_software_fallback=False)


@contextmanager
def decoding_by(decoder: str, name: str) -> Iterator[HWAccel | None]:
    """Give what PyAV opens a file with, and tell in plain words what it raises when the device does not take the file.

    Args:
        decoder: one of ``DECODERS``.
        name: of the file, as it may be shown.

    Raises:
        RequestError: the decoder does not work on this machine. SourceError: it does not take this file.
    """
    check_decoder(decoder)
    try:
        yield None if decoder == CPU else accelerator(decoder)
    except RuntimeError as error:
        if decoder == CPU:
            raise
        raise SourceError(not_decoded(decoder, name)) from error


def not_decoded(decoder: str, name: str, codec: VideoCodecContext | None = None) -> str:
    """Return what is said of a video that a device cannot decode."""
    what = "" if codec is None else f" ({codec.name})"
    return f"{name} cannot be decoded by {decoder}{what}: {_REMEDY}"
