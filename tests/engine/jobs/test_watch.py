"""Several sources at once: lost and back, dead from the start, too fast for the machine."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import maskinfer
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import RequestError, SourceError
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.files.jsonl import read_results
from maskinfer.engine.jobs.watch import Sinks, run_watch
from maskinfer.engine.results import BGRFrame, FrameResult
from maskinfer.engine.sinks.event_targets import EventTargets
from maskinfer.engine.sinks.outputs import Outputs
from maskinfer.engine.sources.feeds import open_feeds
from maskinfer.engine.sources.live import FeedOptions
from tests.conftest import ROOT
from tests.helpers.clips import facts, number_of, write_clip
from tests.helpers.progress import Watcher
from tests.helpers.records import lines

DEAD = "http://guard:hunter2@127.0.0.1:9/camera"


@pytest.fixture(scope="module")
def engine(colour_classifier: Path) -> Engine:
    return maskinfer.load(classifier=str(colour_classifier), det_size_wh=(160, 160))


class LiveServer:
    """A real HTTP server of an endless MPEG transport stream, at 25 frames a second, that can be killed."""

    def __init__(self, folder: Path, frames: int | list[BGRFrame] = 100) -> None:
        clip = write_clip(folder / "live.ts", frames, rate=25)
        content = clip.read_bytes()
        piece = max(188, len(content) // 100)
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "video/mp2t")
                self.end_headers()
                try:
                    for start in range(0, len(content), piece):
                        if server.dead.wait(0.02):
                            return
                        self.wfile.write(content[start : start + piece])
                    server.dead.wait(30)
                except OSError:
                    return

            def log_message(self, *arguments: Any) -> None: ...

        self._handler, self._port = Handler, 0
        self.dead = threading.Event()
        self.start()

    def start(self) -> None:
        self.dead.clear()
        self._httpd = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler)
        self._port = self._httpd.server_port
        self._thread = threading.Thread(target=self._httpd.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def kill(self) -> None:
        self.dead.set()
        self._httpd.shutdown()
        self._thread.join()
        self._httpd.server_close()

    @property
    def url(self) -> str:
        return f"http://guard:hunter2@127.0.0.1:{self._port}/live.ts"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveServer]:
    server = LiveServer(tmp_path)
    yield server
    if not server.dead.is_set():
        server.kill()


def test_files_are_watched_to_their_ends_together(engine: Engine, tmp_path: Path) -> None:
    clips = [str(write_clip(tmp_path / f"{name}.mp4", count)) for name, count in (("a", 12), ("b", 30))]
    seen: list[FrameResult] = []
    summary, reports = run_watch(engine, clips, on_result=seen.append)
    assert summary.frames == 42
    assert summary.problems == []
    for clip, count in zip(clips, (12, 30), strict=True):
        assert [result.frame for result in seen if result.source == clip] == list(range(count))
    assert [(report.frames, report.dropped) for report in reports] == [(12, 0), (30, 0)]


def test_a_source_that_is_dead_holds_nobody_up(engine: Engine, tmp_path: Path) -> None:
    clip, out = str(write_clip(tmp_path / "a.mp4", 12)), tmp_path / "out.jsonl"
    watcher = Watcher()
    summary, reports = run_watch(
        engine, [clip, DEAD, str(tmp_path / "none.mp4")],
        reading=FeedOptions(give_up_after_s=2), sinks=Sinks(outputs=Outputs(str(out))), progress=watcher,
    )  # fmt: skip
    assert [record["frame"] for record in lines(out)] == list(range(12))
    assert [report.frames for report in reports] == [12, 0, 0]
    assert len(summary.problems) == 2
    assert "none.mp4" in " ".join(summary.problems)
    assert "hunter2" not in " ".join(summary.problems + watcher.lines)
    told = "http://127.0.0.1:9/camera cannot be opened yet, and is tried again"
    assert [line for line in watcher.lines if line.startswith(told)] != []


def test_a_watch_whose_only_camera_is_down_stays_up_until_it_gives_up(engine: Engine) -> None:
    watcher = Watcher()
    summary, _ = run_watch(engine, [DEAD], reading=FeedOptions(give_up_after_s=2), progress=watcher)
    assert watcher.lines[0].startswith("http://")
    assert "cannot be opened yet, and is tried again" in watcher.lines[0]
    assert [problem for problem in summary.problems if "nothing listens at 127.0.0.1:9" in problem] != []


def test_requests_that_cannot_be_met_are_errors_at_once(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no file"):
        run_watch(engine, [str(tmp_path / "missing.mp4")])
    with pytest.raises(RequestError, match="the source 0 is given twice: leave one out"):
        run_watch(engine, ["0", "0"])


def test_a_file_that_is_missing_is_told_while_a_camera_is_waited_for(engine: Engine, tmp_path: Path) -> None:
    watcher = Watcher()
    sources = [DEAD, str(tmp_path / "missing.mp4")]
    _, reports = run_watch(engine, sources, reading=FeedOptions(give_up_after_s=3), progress=watcher)
    (line,) = [line for line in watcher.lines if "missing.mp4" in line]
    assert line.endswith(f"; the watch goes on without {tmp_path / 'missing.mp4'}")
    assert str(reports[0]) == "http://127.0.0.1:9/camera: no frame"


def test_a_camera_that_is_restarted_comes_back(engine: Engine, live: LiveServer, tmp_path: Path) -> None:
    watcher = Watcher()
    out = tmp_path / "out.jsonl"
    count, times = 0, []

    def on_result(result: FrameResult) -> None:
        nonlocal count
        count += 1
        times.append(result.time_s)
        if count == 5:
            live.kill()
            live.start()
        if count == 12:
            live.kill()

    summary, (report,) = run_watch(
        engine, [live.url], reading=FeedOptions(give_up_after_s=2), sinks=Sinks(outputs=Outputs(str(out))),
        on_result=on_result, progress=watcher,
    )  # fmt: skip
    assert report.returns == 1
    states = [line.split(" is ")[1].split(",")[0].split(":")[0] for line in watcher.lines]
    assert states[:4] == ["connected", "lost", "back", "lost"]
    assert "hunter2" not in " ".join([*watcher.lines, *summary.problems, out.read_text()])
    assert times == sorted(times)
    assert [record["frame"] for record in lines(out)] == sorted({record["frame"] for record in lines(out)})
    assert summary.frames >= 12
    assert len(summary.problems) == 1


def test_a_camera_that_is_lost_is_an_event_and_ends_who_was_there(
    engine: Engine, portrait: BGRFrame, tmp_path: Path
) -> None:
    live = LiveServer(tmp_path, [portrait] * 300)
    events, first_s, watcher = tmp_path / "events.jsonl", dict[bool, float](), Watcher()

    def on_result(result: FrameResult) -> None:
        is_back = any("is back" in line for line in watcher.lines)
        # Long enough that whoever is there has appeared, on the clock of arrival: the first frames come in a burst.
        if result.time_s - first_s.setdefault(is_back, result.time_s) >= 0.8 and not live.dead.is_set():
            live.kill()
            if not is_back:
                live.start()

    sinks = Sinks(outputs=Outputs(events=EventTargets(str(events))))
    reading = FeedOptions("all", give_up_after_s=4)
    run_watch(
        engine, [f"door={live.url}"], reading=reading, track=TrackOptions(), sinks=sinks, on_result=on_result,
        progress=watcher,
    )  # fmt: skip
    records = lines(events)
    schema = json.loads((ROOT / "maskinfer/schemas/event.schema.json").read_text())
    for record in records:
        jsonschema.validate(record, schema, format_checker=jsonschema.FormatChecker())
        assert record["source"] == "door"
        assert len(record["id"]) == 32
    kinds = [record["event"] for record in records if record["event"] not in ("settled", "changed")]
    assert kinds == ["appeared", "camera_lost", "left", "camera_back", "appeared", "camera_lost", "left"]
    assert [record["cause"] for record in records if record["event"] == "left"] == ["camera lost"] * 2
    assert all(record["cause"] is None for record in records if record["event"] == "appeared")
    assert [bool(record["reason"]) for record in records if "reason" in record] == [True, False, True]
    assert "hunter2" not in events.read_text()


def test_a_camera_that_is_down_at_the_start_is_an_event(engine: Engine, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    sinks = Sinks(outputs=Outputs(events=EventTargets(str(events))))
    run_watch(engine, [DEAD], reading=FeedOptions(give_up_after_s=0.3), track=TrackOptions(), sinks=sinks)
    (record,) = lines(events)
    assert (record["event"], record["source"]) == ("camera_lost", "http://127.0.0.1:9/camera")
    assert "nothing listens" in record["reason"]


def test_live_pictures_in_which_nothing_changes_are_not_looked_at(
    engine: Engine, portrait: BGRFrame, tmp_path: Path
) -> None:
    live = LiveServer(tmp_path, [portrait] * 60)
    file = str(write_clip(tmp_path / "a.mp4", [portrait] * 10))
    reading = FeedOptions("all", give_up_after_s=0)
    try:
        _, reports = run_watch(
            engine, [live.url, file], reading=reading, track=TrackOptions(still_s=60),
            on_result=lambda result: live.kill() if result.source != file and result.frame == 40 else None,
        )  # fmt: skip
    finally:
        if not live.dead.is_set():
            live.kill()
    assert (reports[0].frames - reports[0].unchanged, reports[1].unchanged) == (1, 0)
    assert f"{reports[0].frames} frames, nothing had changed in {reports[0].unchanged}" in str(reports[0])


def test_a_machine_that_is_too_slow_gets_the_newest_frames(live: LiveServer) -> None:
    with open_feeds([live.url]) as feeds:
        numbers: list[int] = []
        for batch in feeds.batches(lambda: len(numbers) >= 12):
            time.sleep(0.15)  # four frames pass meanwhile
            numbers.append(number_of(batch[0].frame.bgr))
        assert feeds.feeds[0].dropped > 12
    assert numbers == sorted(set(numbers))
    # What waits is one frame, the newest: more than one passed for each that was taken.
    assert numbers[-1] - numbers[0] > len(numbers)


def test_all_frames_of_a_live_source_where_that_is_asked_for(live: LiveServer) -> None:
    with open_feeds([live.url], FeedOptions(policy="all")) as feeds:
        numbers: list[int] = []
        for batch in feeds.batches(lambda: len(numbers) >= 20):
            time.sleep(0.03)
            numbers.append(number_of(batch[0].frame.bgr))
        assert feeds.feeds[0].dropped == 0
    assert numbers == list(range(numbers[0], numbers[0] + 20))


def test_readers_end_with_the_block(live: LiveServer) -> None:
    with open_feeds([live.url]) as feeds:
        next(feeds.batches(lambda: 0))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("feed ")]


def test_results_that_meet_a_full_disk_go_on_when_there_is_space(
    engine: Engine, portrait: BGRFrame, small_disk: Path, tmp_path: Path
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(250_000))
    clip, out, record = write_clip(tmp_path / "a.mp4", [portrait] * 60), small_disk / "out.jsonl", tmp_path / "rec.mp4"
    seen: list[FrameResult] = []

    def on_result(result: FrameResult) -> None:
        seen.append(result)
        if len(seen) == 50:
            ballast.unlink()

    summary, _ = run_watch(
        engine, [str(clip)], sinks=Sinks(record=record, outputs=Outputs(str(out))), on_result=on_result,
    )  # fmt: skip
    assert summary.frames == 60
    kept = [line["frame"] for line in lines(out)]
    assert out.read_text().endswith("\n")
    assert kept[-10:] == list(range(50, 60))
    assert 10 < len(kept) < 60
    assert summary.problems == [
        f"{out} cannot be written: No space left on device",
        f"{out} is written again; {60 - len(kept)} lines were lost",
    ]
    assert len(facts(record).times) == 60


def test_a_folder_that_is_removed_and_a_file_that_is_rotated(
    engine: Engine, portrait: BGRFrame, tmp_path: Path
) -> None:
    clip, folder = write_clip(tmp_path / "a.mp4", [portrait] * 40), tmp_path / "out"
    folder.mkdir()
    outputs = Outputs(*(str(folder / name) for name in ("a.jsonl", "a.csv")), crops=folder / "crops")
    seen: list[FrameResult] = []

    def on_result(result: FrameResult) -> None:
        seen.append(result)
        if len(seen) == 10:
            (folder / "a.jsonl").rename(folder / "a.jsonl.1")
        if len(seen) == 20:
            folder.rename(tmp_path / "away")
        if len(seen) == 30:
            folder.mkdir()

    summary, _ = run_watch(engine, [str(clip)], sinks=Sinks(outputs=outputs), on_result=on_result)
    assert summary.frames == 40
    assert [line["frame"] for line in lines(tmp_path / "away" / "a.jsonl.1")] == list(range(10))
    assert [line["frame"] for line in lines(tmp_path / "away" / "a.jsonl")] == list(range(10, 20))
    assert [line["frame"] for line in lines(folder / "a.jsonl")] == list(range(30, 40))
    rows = list(csv.DictReader((folder / "a.csv").read_text().splitlines()))
    assert [row["frame"] for row in rows][-1] == "39"
    lost = f"{folder / 'a.jsonl'} is written again; 10 lines were lost"
    assert lost in summary.problems


def test_a_heartbeat_tells_how_each_source_does(engine: Engine, live: LiveServer) -> None:
    watcher = Watcher()
    beats: list[str] = []

    def is_enough() -> int:
        beats[:] = [line for line in watcher.lines if line.endswith(" dropped")]
        return 15 if any("running" in line for line in beats) and len(beats) >= 4 else 0

    run_watch(engine, [f"door={live.url}", f"yard={DEAD}"], heartbeat_s=0.5, progress=watcher, stopped=is_enough)
    assert all(re.fullmatch(r"(door|yard): [a-z ]+, \d+\.\d frames/s, \d+ dropped", line) for line in beats)
    assert any(re.match(r"door: running, (?!0\.0)", line) for line in beats)
    assert "yard: no frame yet, 0.0 frames/s, 0 dropped" in beats


def test_a_hangup_by_logrotate_ends_nothing(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip, out = write_clip(tmp_path / "a.mp4", 12), tmp_path / "a.jsonl"
    monkeypatch.setattr("sys.stdin", io.StringIO())  # as of a service: no terminal
    before = signal.getsignal(signal.SIGHUP)

    def on_result(result: FrameResult) -> None:
        if result.frame == 5:
            out.rename(tmp_path / "a.jsonl.1")
            os.kill(os.getpid(), signal.SIGHUP)

    summary, _ = run_watch(engine, [str(clip)], sinks=Sinks(outputs=Outputs(str(out))), on_result=on_result)
    assert (summary.frames, summary.signal, summary.problems) == (12, 0, [])
    assert [line["frame"] for line in lines(tmp_path / "a.jsonl.1")] == list(range(6))
    assert [line["frame"] for line in lines(out)] == list(range(6, 12))
    assert signal.getsignal(signal.SIGHUP) == before


def test_a_pipe_that_nobody_reads_holds_nothing_up(engine: Engine, tmp_path: Path) -> None:
    clip, pipe = write_clip(tmp_path / "a.mp4", 12), tmp_path / "pipe"
    os.mkfifo(pipe)
    summary, _ = run_watch(engine, [str(clip)], sinks=Sinks(outputs=Outputs(str(pipe))))
    assert summary.problems == [
        f"{pipe} cannot be written: nobody reads it",
        f"{pipe} could not be written to the end; 12 lines were lost",
    ]


def test_records_of_two_runs_can_be_told_apart(engine: Engine, portrait: BGRFrame, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", [portrait] * 15)
    files = [tmp_path / name for name in ("a.jsonl", "a.csv", "e.jsonl")]
    outputs = Outputs(str(files[0]), str(files[1]), EventTargets(str(files[2])))
    for _ in range(2):
        summary, _ = run_watch(engine, [str(clip)], track=TrackOptions(), sinks=Sinks(outputs=outputs))
        assert (summary.frames, summary.problems) == (15, [])
    for records in (lines(files[0]), list(csv.DictReader(files[1].read_text().splitlines())), lines(files[2])):
        runs = list(dict.fromkeys(record["run"] for record in records))
        assert len(runs) == 2
        assert [record["run"] for record in records] == sorted((r["run"] for r in records), key=runs.index)
        assert all(datetime.fromisoformat(record["at"]).tzinfo is not None for record in records)
    assert [result.frame for result in read_results(files[0])] == [*range(15), *range(15)]


def test_sources_have_tracks_and_events_of_their_own(engine: Engine, portrait: BGRFrame, tmp_path: Path) -> None:
    clips = [str(write_clip(tmp_path / f"{name}.mp4", [portrait] * 15, rate=25)) for name in "ab"]
    events = tmp_path / "events.jsonl"
    run_watch(engine, clips, track=TrackOptions(), sinks=Sinks(outputs=Outputs(events=EventTargets(str(events)))))
    records = lines(events)
    for clip in clips:
        mine = [(record["event"], record["track_id"]) for record in records if record["source"] == clip]
        assert (mine[0], mine[-1]) == (("appeared", 1), ("left", 1))
