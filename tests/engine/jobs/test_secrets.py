"""No secret of an address is in anything that a watch writes, names or says."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import maskinfer
from maskinfer.engine.engine import Engine
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.jobs.watch import Sinks, run_watch
from maskinfer.engine.results import BGRFrame
from maskinfer.engine.sinks.event_targets import EventTargets
from maskinfer.engine.sinks.outputs import Outputs
from maskinfer.engine.sources.live import FeedOptions
from tests.helpers.clips import write_clip
from tests.helpers.progress import Watcher

# Characters that FFmpeg takes in an address as they are.
SECRETS = st.text("abcXYZ0189-_.~!$'()*+", min_size=16, max_size=24).filter(lambda text: text.strip(".~_-"))
# The clip is over, and the camera is lost and was asked for again.
ENOUGH = 45
CAMERAS = ("http://guard:{}@{}/ch1", "http://{1}/ch1?token={0}", "http://{1}/user=admin_password={0}_channel=1.sdp")


@pytest.fixture(scope="module")
def camera(portrait: BGRFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Host and port of a server that gives the same clip whatever it is asked for, and takes what is posted."""
    small = np.asarray(cv2.resize(portrait, (160, 160), interpolation=cv2.INTER_AREA), np.uint8)
    clip = write_clip(tmp_path_factory.mktemp("camera") / "a.ts", [small] * 20, rate=10).read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(clip)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None: ...

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture(scope="module")
def engine(colour_classifier: Path) -> Engine:
    return maskinfer.load(classifier=str(colour_classifier), det_size_wh=(160, 160))


def watch(engine: Engine, source: str, webhook: str, folder: Path) -> str:
    """Everything that a watch told, as one text; what it wrote lies in the folder."""
    progress, seen = Watcher(), list[int]()
    outputs = Outputs(
        str(folder / "out.jsonl"), str(folder / "out.csv"),
        EventTargets(str(folder / "events.jsonl"), webhook), folder / "crops",
    )  # fmt: skip
    summary, reports = run_watch(
        engine, [source, "http://127.0.0.1:9/" + source.partition("//")[2]], track=TrackOptions(),
        reading=FeedOptions(policy="all", give_up_after_s=0.1),
        sinks=Sinks(record=folder / "rec.mp4", outputs=outputs), progress=progress,
        on_result=lambda result: seen.append(result.frame), stopped=lambda: len(seen) > ENOUGH,
    )  # fmt: skip
    assert summary.frames
    return "\n".join([*progress.lines, *summary.problems, *map(str, reports)])


@pytest.mark.parametrize("place", CAMERAS)
@hypothesis.settings(max_examples=3)
@hypothesis.given(secret=SECRETS)
def test_no_secret_is_in_any_output(engine: Engine, camera: str, place: str, secret: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        said = watch(engine, place.format(secret, camera), f"http://{camera}/services/{secret}?key={secret}", folder)
        files = [file for file in folder.rglob("*") if file.is_file()]
        assert {"out.jsonl", "out.csv", "events.jsonl"} <= {file.name for file in files}
        assert any(file.parent.name == "crops" for file in files)
        assert any(file.suffix == ".mp4" for file in files)
        assert secret not in said
        assert "127.0.0.1" in said
        assert [file for file in files if secret in file.name or secret.encode() in file.read_bytes()] == []
