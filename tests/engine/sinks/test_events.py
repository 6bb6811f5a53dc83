"""Events: what a person did, instead of what each frame shows; and where they go."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from maskinfer.engine.errors import OutputError, RequestError
from maskinfer.engine.faces.quality import Gate
from maskinfer.engine.results import LABELS, Face, FrameResult
from maskinfer.engine.sinks import webhook
from maskinfer.engine.sinks.event_targets import EventTargets, open_events
from maskinfer.engine.sinks.events import Event, EventLog, EventOptions
from maskinfer.engine.sinks.webhook import Webhook, open_webhook
from tests.conftest import ROOT

RATE = 10.0
SCHEMA = ROOT / "maskinfer/schemas/event.schema.json"


def face(label: str, score: float = 0.95, track_id: int | None = 1) -> Face:
    scores = {name: score if name == label else (1 - score) / 2 for name in LABELS}
    return Face((10.0, 10.0, 50.0, 60.0), 0.9, None, label, score, scores, track_id)


def run(frames: Sequence[Sequence[Face]], options: EventOptions | None = None, start: int = 0) -> list[Event]:
    log = EventLog(options)
    events = []
    for i, faces in enumerate(frames, start):
        events += list(log.add(FrameResult("door", i, i / RATE, (640, 480), tuple(faces))))
    return [*events, *log.finish()]


def story(events: Sequence[Event]) -> list[tuple[str, int, str]]:
    return [(event.kind, event.frame, event.label) for event in events]


def test_one_person_who_takes_the_mask_off() -> None:
    frames = [[face("with_mask")]] * 30 + [[face("without_mask")]] * 30 + [[]] * 20
    events = run(frames)
    assert story(events) == [
        ("appeared", 3, "uncertain"),
        ("settled", 5, "with_mask"),
        ("changed", 35, "without_mask"),
        ("left", 59, "without_mask"),
    ]
    assert [event.previous for event in events] == [None, None, "with_mask", None]
    assert events[-1].dwell_s == pytest.approx(5.9)
    assert events[2].score == 0.95


def test_a_label_that_flickers_changes_nothing() -> None:
    frames = [[face("with_mask" if i % 4 else "without_mask")] for i in range(80)]
    assert [event.kind for event in run(frames)] == ["appeared", "left"]
    steady = [[face("with_mask")]] * 20
    assert [event.kind for event in run(steady + frames)] == ["appeared", "settled", "left"]


def test_a_cooldown_lies_between_changes() -> None:
    frames = [[face(LABELS[(i // 8) % 2])] for i in range(64)]
    quick = run(frames, EventOptions(cooldown_s=0))
    slow = run(frames, EventOptions(cooldown_s=2.5))
    changes = [[event.time_s for event in events if event.kind == "changed"] for events in (quick, slow)]
    assert len(changes[0]) == 7
    assert 0 < len(changes[1]) < len(changes[0])
    assert all(b - a >= 2.5 for a, b in pairwise(changes[1]))


def test_what_is_gone_at_once_never_was() -> None:
    assert run([[face("with_mask")]] * 3 + [[]] * 20) == []


def test_an_uncertain_label_settles_nothing() -> None:
    events = run([[face("with_mask", 0.6)]] * 20)
    assert story(events) == [("appeared", 3, "uncertain"), ("left", 19, "uncertain")]
    assert events[0].score == 0


@pytest.mark.parametrize(
    ("changes", "settles"),
    [
        ({}, True),
        ({"sharpness": 9.0}, True),
        ({"sharpness": 8.9}, False),
        ({"xyxy": (10.0, 10.0, 26.0, 60.0)}, True),
        ({"xyxy": (10.0, 10.0, 25.9, 60.0)}, False),
    ],
)
def test_faces_too_small_or_too_blurred_settle_nothing(changes: dict[str, Any], settles: bool) -> None:
    frames = [[replace(face("with_mask"), **changes)]] * 20
    assert ("settled" in [event.kind for event in run(frames)]) == settles
    everything = EventOptions(gate=Gate())
    assert "settled" in [event.kind for event in run(frames, everything)]


def test_people_are_told_apart_and_faces_without_a_track_are_nobody() -> None:
    frames = [[face("with_mask", track_id=1), face("without_mask", track_id=2), face("with_mask", track_id=None)]] * 10
    events = run(frames)
    assert [(event.kind, event.track_id) for event in events] == [
        ("appeared", 1), ("appeared", 2), ("settled", 1), ("settled", 2), ("left", 1), ("left", 2),
    ]  # fmt: skip


def test_records_fit_the_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA.read_text())
    frames = [[face("with_mask")]] * 30 + [[face("without_mask")]] * 30
    records = [event.to_dict() for event in run(frames)]
    assert [list(record) for record in records] == [schema["required"]] * len(records)
    for record in records:
        jsonschema.validate(record, schema)


@pytest.mark.parametrize("options", [{"hold_s": -1.0}, {"min_score": 1.5}, {"cooldown_s": float("nan")}])
def test_options_are_checked(options: dict[str, float]) -> None:
    with pytest.raises(RequestError, match="cannot be"):
        EventOptions(**options)


@dataclass
class Receiver:
    """A real receiver, that answers as it is told."""

    url: str
    answers: list[int] = field(default_factory=list)
    got: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    hang: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            code = state.answers.pop(0) if state.answers else 200
            if code == 0:
                state.hang.wait(10)
                return
            if code < 300:
                state.got.append(body)
                state.authorizations.append(self.headers["Authorization"])
            self.send_response(code)
            self.send_header("Location", state.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None: ...

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Receiver(f"http://127.0.0.1:{httpd.server_port}/events")
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield state
    state.hang.set()
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_FIRST_PAUSE_S", 0.02)


def test_what_the_receiver_cannot_take_now_comes_again_in_order(receiver: Receiver) -> None:
    receiver.answers = [500, 503, 200, 429, 200, 200]
    problems: list[str] = []
    with open_webhook(receiver.url, problems.append) as hook:
        for i in range(4):
            hook.post({"n": i})
    assert [record["n"] for record in receiver.got] == [0, 1, 2, 3]
    assert problems == []
    assert (hook.delivered, hook.refused, hook.dropped) == (4, 0, 0)


def test_what_the_receiver_refuses_is_not_sent_again(receiver: Receiver) -> None:
    receiver.answers = [400]
    problems: list[str] = []
    with open_webhook(receiver.url, problems.append) as hook:
        hook.post({"n": 0})
        hook.post({"n": 1})
    assert [record["n"] for record in receiver.got] == [1]
    assert "1 events did not reach" in problems[0]
    assert "1 were refused" in problems[0]


def test_a_receiver_that_hangs_holds_nobody_up(receiver: Receiver) -> None:
    receiver.answers = [0]
    hook = Webhook(receiver.url, timeout_s=0.3)
    began = time.monotonic()
    for i in range(3):
        hook.post({"n": i})
    assert time.monotonic() - began < 0.2
    assert hook.close(linger_s=5) == []
    assert [record["n"] for record in receiver.got] == [0, 1, 2]


def test_without_a_receiver_the_newest_wait_and_the_loss_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "MAX_WAITING", 5)
    hook = Webhook("http://me:hunter2@127.0.0.1:9/events")
    for i in range(8):
        hook.post({"n": i})
    (said,) = hook.close(linger_s=0.1)
    assert said.startswith("8 events did not reach http://127.0.0.1:9: 5 were waiting, 3 had no room")


def test_events_go_to_a_file_line_by_line_and_to_the_webhook(receiver: Receiver, tmp_path: Path) -> None:
    file, problems = tmp_path / "events.jsonl", list[str]()
    with open_events(EventTargets(str(file), receiver.url), problems.append, follow=True) as add:
        for i in range(10):
            for source in ("a", "b"):
                add(FrameResult(source, i, i / RATE, (64, 48), (face("with_mask"),)))
        so_far = [json.loads(line)["event"] for line in file.read_text().splitlines()]
    assert so_far == ["appeared", "appeared", "settled", "settled"]
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(r["event"], r["source"]) for r in records[-2:]] == [("left", "a"), ("left", "b")]
    assert receiver.got == records
    assert problems == []


def test_a_file_that_cannot_be_written_and_an_address_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(OutputError), open_events(EventTargets(str(tmp_path / "no" / "e.jsonl")), print):
        pass
    with (
        pytest.raises(RequestError, match="expected http or https"),
        open_events(EventTargets(None, "ftp://x/y"), print),
    ):
        pass


def test_a_name_and_a_password_in_the_address_are_sent_as_such(receiver: Receiver) -> None:
    url, problems = receiver.url.replace("http://", "http://gu%40rd:hunter2@"), []
    with open_webhook(url, problems.append) as hook:
        hook.post({"n": 1})
    assert problems == []
    assert receiver.got == [{"n": 1}]
    assert receiver.authorizations == ["Basic " + b64encode(b"gu@rd:hunter2").decode()]


def test_a_redirection_is_no_delivery(receiver: Receiver) -> None:
    receiver.answers = [302, 200]
    problems: list[str] = []
    with open_webhook(receiver.url, problems.append) as hook:
        for number in range(2):
            hook.post({"n": number})
    assert receiver.got == [{"n": 1}]
    assert "1 were refused" in problems[0]


@pytest.mark.parametrize("url", ["ftp://a/b", "http://", "http://a:b/c", "http://u:hunter2@a/b c", "http://a/ä"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(RequestError, match="is no address to post to") as caught, open_webhook(url, print):
        pass
    assert "hunter2" not in str(caught.value)


def test_who_asks_to_stop_twice_does_not_wait_for_a_receiver_that_hangs(receiver: Receiver) -> None:
    receiver.answers = [0]
    began_s = time.monotonic()
    with suppress(KeyboardInterrupt), open_webhook(receiver.url, print) as hook:
        hook.post({"n": 1})
        time.sleep(0.2)
        raise KeyboardInterrupt
    assert time.monotonic() - began_s < 3
