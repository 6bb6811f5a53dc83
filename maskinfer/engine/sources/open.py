"""Anything that frames come from, behind one function."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maskinfer.engine.errors import SourceError
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.sources.camera import is_live
from maskinfer.engine.sources.decoder import CPU
from maskinfer.engine.sources.feeds import Feeds, open_feeds
from maskinfer.engine.sources.live import FeedOptions
from maskinfer.engine.sources.pictures import holds_images, read_images
from maskinfer.engine.sources.video import open_video


@contextmanager
def open_source(
    source: str | Path, *, reading: FeedOptions | None = None, threads: int = 0, decoder: str = CPU
) -> Iterator[Iterator[Frame]]:
    """Open an image, a folder of images, a video file, a URL or a camera by its index.

    A live source yields its newest frame each time. If it is lost after its first frame, it is retried for as long as
    ``reading`` says, as the command ``stream`` does.

    Args:
        source: what to read.
        reading: how to read a live source.
        threads: threads of a video file's decoder; 0 lets FFmpeg choose.
        decoder: of a video file, one of ``decoder.DECODERS``.

    Raises:
        SourceError: the source cannot be opened or, while iterating, cannot be read any further.
        RequestError: the decoder does not work on this machine.
    """
    name = str(source)
    if holds_images(name):
        yield read_images(name)
    elif is_live(name):
        with open_feeds([name], reading) as feeds:
            yield _live_frames(feeds)
    else:
        with open_video(name, threads=threads, decoder=decoder) as video:
            yield iter(video)


def _live_frames(feeds: Feeds) -> Iterator[Frame]:
    for batch in feeds.batches():
        yield from (fed.frame for fed in batch)
    for feed in feeds.feeds:
        if feed.problem:
            raise SourceError(feed.problem)
