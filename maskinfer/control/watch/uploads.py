"""Images that programs send: those that wait at the same time share the runs of the models."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import OutputError
from maskinfer.engine.files.images import decode_image
from maskinfer.engine.results import BGRFrame, FrameResult

# More would keep the cameras waiting for long.
_MOST_IMAGES = 8
_Waiting = tuple[BGRFrame, "Future[FrameResult]"]


class Uploads:
    """Labels images in a thread of its own, which begins with the first of them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def infer(self, images: Sequence[bytes]) -> list[FrameResult]:
        """Return the results of images, contents of files; waits for them.

        Raises:
            SourceError: one is no image that can be read. OutputError: the room has closed.
        """
        pictures = [decode_image(data, f"image {i + 1} of {len(images)}") for i, data in enumerate(images)]
        futures: list[Future[FrameResult]] = [Future() for _ in pictures]
        with self._lock:
            if self._is_closed:
                raise OutputError("maskinfer is ending, and takes no more images")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="uploads", daemon=True)
                self._thread.start()
            for one in zip(pictures, futures, strict=True):
                self._waiting.put(one)
        return [future.result() for future in futures]

    def close(self) -> None:
        """Finish what waits, and take nothing more."""
        with self._lock:
            self._is_closed = True
            thread = self._thread
            self._waiting.put(None)
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [first]
            while len(batch) < _MOST_IMAGES:
                try:
                    one = self._waiting.get_nowait()
                except Empty:
                    break
                if one is None:
                    self._waiting.put(None)
                    break
                batch.append(one)
            self._answer(batch)

    def _answer(self, batch: list[_Waiting]) -> None:
        try:
            results = self._engine([picture for picture, _ in batch])
        except Exception as error:  # whoever asked hears of it
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)
