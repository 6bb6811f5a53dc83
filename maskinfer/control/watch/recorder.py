"""Recordings of a camera: its own packets in files of some minutes, by a thread with a connection of its own."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

import av

from maskinfer.control.watch.watching import Keeper
from maskinfer.engine.errors import MaskinferError, OutputError, SourceDeniedError, SourceError
from maskinfer.engine.files.atomic import numbered, taken_name
from maskinfer.engine.files.inside import slug
from maskinfer.engine.sinks.run import file_time, local_now
from maskinfer.engine.sources.copies import CopiedFile, copy_stream

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
# Cameras lock out who tries a wrong password too often.
_DENIED_PAUSE_S = 60.0
_FULL_PAUSE_S = 10.0
# So often the store hears how long a file has become, and is asked whether there is room for more.
_NOTE_S = 5.0


class CameraRecorder:
    """Records one camera until it is stopped; what cannot be read or written now is tried again, and said once.

    Args:
        camera: its name.
        url: of the stream.
        keeper: that the files belong to.
        segment_s: length of a file; it ends with the key frame that follows.
        say: called with one line when recording stops, and when it goes on.
    """

    def __init__(self, camera: str, url: str, keeper: Keeper, segment_s: float, say: Callable[[str], None]) -> None:
        self.camera, self._url, self._keeper, self._segment_s, self._say = camera, url, keeper, segment_s, say
        self._over = threading.Event()
        self._file: CopiedFile | None = None
        self._names = ExitStack()
        self._from_at: datetime = local_now()
        self._noted_s, self._told = 0.0, ""
        self._pause_s = _FIRST_PAUSE_S
        self._thread = threading.Thread(target=self._run, name=f"recording {camera}", daemon=True)
        self._thread.start()

    @property
    def is_recording(self) -> bool:
        """Whether a file is being written."""
        return self._file is not None

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Let it finish its file at the next packet, which nobody waits for."""
        self._over.set()

    def join(self, wait_s: float) -> None:
        """Wait for a stopped one to finish its file."""
        self._thread.join(wait_s)

    def _run(self) -> None:
        # Small cameras fail when they are asked for two connections at once, and the other is for looking.
        self._over.wait(_FIRST_PAUSE_S)
        while not self._over.is_set():
            pause_s = self._pause_s * random.uniform(0.5, 1.0)
            try:
                copy_stream(self._url, self._take)
                reason = "the stream has ended"
            except SourceDeniedError as error:
                reason, pause_s = str(error), _DENIED_PAUSE_S
            except SourceError as error:
                reason = str(error)
            except OutputError as error:
                reason, pause_s = str(error), _FULL_PAUSE_S
            except Exception as error:  # whatever a camera sends ends its recording for now, and nothing else
                reason = f"{type(error).__name__}: {error}"
            self._end_file()
            if not self._over.is_set():
                self._tell(f"the recording of {self.camera} stops, and is tried again: {reason}")
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            self._over.wait(pause_s)

    def _take(self, packet: av.Packet[Any], stream: av.VideoStream) -> bool:
        if self._over.is_set():
            return False
        is_full = self._file is not None and self._file.length_s >= self._segment_s
        if packet.is_keyframe and (self._file is None or is_full):
            self._end_file()
            self._begin_file(stream)
        if self._file is not None:
            self._file.write(packet)
            if monotonic() - self._noted_s >= _NOTE_S:
                self._note()
                self._refuse_if_full()
        return True

    def _begin_file(self, stream: av.VideoStream) -> None:
        self._refuse_if_full()
        folder = self._keeper.recording_folder(slug(self.camera))
        self._from_at = local_now()
        wanted = folder / f"{slug(self.camera)}-{file_time(self._from_at)}.mp4"
        path = self._names.enter_context(taken_name(numbered(wanted)))
        self._file = CopiedFile(path, stream)
        self._noted_s, self._pause_s = monotonic(), _FIRST_PAUSE_S
        if self._told:
            self._say(f"{self.camera} is recorded again")
            self._told = ""

    def _end_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
            self._note(file.path)
        self._names.close()

    def _note(self, path: Path | None = None) -> None:
        """Tell the store how long the file is."""
        path = path or (self._file.path if self._file is not None else None)
        self._noted_s = monotonic()
        try:
            if path is not None and path.stat().st_size:
                self._keeper.add_recording(self.camera, path, self._from_at, local_now())
        except (MaskinferError, OSError) as error:
            self._tell(f"the recording {path} of {self.camera} is not in the store: {error}")

    def _refuse_if_full(self) -> None:
        if why := self._keeper.why_no_recording():
            raise OutputError(why)

    def _tell(self, line: str) -> None:
        if line != self._told:
            self._told = line
            self._say(line)
