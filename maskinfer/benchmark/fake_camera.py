"""A camera that is none: a film served over HTTP again and again, each frame at its time.

    python -m maskinfer.benchmark.fake_camera FILM.ts [HANG_UP_EVERY_S]

It prints its port, and serves the film under any path until its standard input is closed.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from math import inf
from pathlib import Path
from typing import IO, Any, cast

import av

Chunk = tuple[float, bytes]


def read_chunks(film: Path) -> tuple[list[Chunk], float]:
    """Return the bytes of each frame of an MPEG transport stream and when it is due, and the length in seconds."""
    content = film.read_bytes()
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        base = stream.time_base or Fraction(1, 90_000)
        packets = [(packet.pos, packet.dts) for packet in container.demux(stream) if packet.dts is not None]
    starts = [0, *(pos for pos, _ in packets[1:]), len(content)]
    due_s = [float((dts - packets[0][1]) * base) for _, dts in packets]
    chunks = [(due, content[a:b]) for due, a, b in zip(due_s, starts, starts[1:], strict=False)]
    return chunks, due_s[-1] + due_s[-1] / max(1, len(due_s) - 1)


def serve(film: Path, hang_up_every_s: float = inf) -> ThreadingHTTPServer:
    """Begin to serve a film, which everyone who connects gets from its beginning; ``shutdown`` ends it.

    Args:
        film: an MPEG transport stream.
        hang_up_every_s: how long a connection lasts.
    """
    chunks, length_s = read_chunks(film)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            began_s = time.monotonic()
            try:
                for turn in count():
                    for due_s, chunk in chunks:
                        now_s = time.monotonic() - began_s
                        if now_s > hang_up_every_s:
                            return
                        time.sleep(max(0.0, turn * length_s + due_s - now_s))
                        self.wfile.write(chunk)
            except OSError:
                return

        def log_message(self, *arguments: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@contextmanager
def served(film: Path, hang_up_every_s: float = inf) -> Iterator[str]:
    """Serve a film from a process of its own until the block ends; gives the address."""
    command = [sys.executable, "-m", __spec__.name, str(film), str(hang_up_every_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        port = cast(IO[str], process.stdout).readline().strip()
        try:
            yield f"http://127.0.0.1:{port}/{film.name}"
        finally:
            process.terminate()


if __name__ == "__main__":
    _film, *_rest = sys.argv[1:]
    _server = serve(Path(_film), *map(float, _rest))
    sys.stdout.write(f"{_server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()
