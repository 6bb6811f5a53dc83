"""A real RTSP server under a running watch: started, killed, started again, too fast for the machine."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from maskinfer.engine.files.urls import public_name
from maskinfer.engine.sources.feeds import open_feeds
from maskinfer.engine.sources.live import FeedOptions
from tests.helpers.clips import facts, number_of, write_clip
from tests.helpers.rtsp import RtspServer, needs_rtsp

RATE = 25
pytestmark = needs_rtsp


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rtsp") / "numbers.mp4"
    return write_clip(path, 1000, rate=RATE, options={"g": "10", "tune": "zerolatency"})


@pytest.fixture
def servers(clip: Path) -> Iterator[list[RtspServer]]:
    both = [RtspServer(clip) for _ in range(2)]
    yield both
    for server in both:
        server.kill()


def wait_for_lines(path: Path, count: int, timeout_s: float = 60) -> None:
    ends_s = time.monotonic() + timeout_s
    while not path.exists() or len(path.read_text().splitlines()) < count:
        assert time.monotonic() < ends_s, f"{path} got no {count} lines"
        time.sleep(0.1)


def test_a_server_that_is_killed_and_started_again(
    servers: list[RtspServer], colour_classifier: Path, tmp_path: Path
) -> None:
    out, record = tmp_path / "out.jsonl", tmp_path / "rec.mp4"
    dead = "rtsp://guard:hunter2@127.0.0.1:9/door"
    urls = [part for url in (servers[0].url, servers[1].url, dead) for part in ("--source", url)]
    command = [
        sys.executable, "-m", "maskinfer", "stream", *urls, "--no-show", "--jsonl", str(out), "--record", str(record),
        "--classifier", str(colour_classifier), "--det-size", "160",
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for_lines(out, 40)
    servers[0].kill()
    before = out.read_text()
    wait_for_lines(out, len(before.splitlines()) + 20)  # the other goes on
    servers[0].start()
    wait_for_lines(out, len(out.read_text().splitlines()) + 100)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert "hunter2" not in said + out.read_text()
    names = [public_name(server.url) for server in servers]
    assert f"{names[0]} is lost, and is tried again" in said
    assert f"{names[0]} is back" in said
    assert f"{names[1]} is lost" not in said
    records = [json.loads(line) for line in out.read_text().splitlines()]
    for i, name in enumerate(names):
        times = [record["time_s"] for record in records if record["source"] == name]
        assert times == sorted(set(times))
        assert len(facts(tmp_path / f"rec-{i + 1}.mp4").times) == len(times)
    assert not (tmp_path / "rec-3.mp4").exists()


def test_lag_does_not_grow_at_twice_what_the_machine_can_do(servers: list[RtspServer]) -> None:
    seen: list[tuple[float, int]] = []
    began = time.monotonic()
    with open_feeds([servers[0].url], FeedOptions(give_up_after_s=5)) as feeds:
        for batch in feeds.batches(lambda: bool(seen) and time.monotonic() - began > 9):
            time.sleep(2 / RATE)
            seen.append((time.monotonic(), number_of(batch[0].frame.bgr)))
        dropped = feeds.feeds[0].dropped
    lags = [now - number / RATE for now, number in seen]
    assert dropped > 40
    assert seen[-1][1] < 250  # the pictures' numbers go to 255
    assert max(lags[-20:]) - min(lags) < 0.5
