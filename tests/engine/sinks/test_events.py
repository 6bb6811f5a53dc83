"""Events: what a person did, instead of what each frame shows; and where they go."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from maskinfer.engine.errors import OutputError, RequestError
from maskinfer.engine.faces.quality import Gate
from maskinfer.engine.results import BARE, LABELS, Face, FrameResult
from maskinfer.engine.sinks.event_targets import EventTargets, open_events
from maskinfer.engine.sinks.events import Event, EventLog, EventOptions
from maskinfer.engine.sinks.run import Run
from tests.conftest import ROOT
from tests.helpers.receiver import running_receiver

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


def test_events_say_what_a_badly_worn_mask_leaves_bare() -> None:
    below, off = (replace(face("incorrect_mask"), bare=bare) for bare in BARE)
    # The label that is settled is the badly worn mask's until another one was held for long enough.
    events = run([[below]] * 30 + [[face("with_mask")]] * 30 + [[off]] * 30)
    assert [(event.kind, event.label, event.bare) for event in events] == [
        ("appeared", "uncertain", None),
        ("settled", "incorrect_mask", "nose"),
        ("changed", "with_mask", None),
        ("changed", "incorrect_mask", "nose_and_mouth"),
        ("left", "incorrect_mask", "nose_and_mouth"),
    ]
    assert [event.to_dict()["bare"] for event in events] == [event.bare for event in events]


def test_a_label_that_flickers_changes_nothing() -> None:
    frames = [[face("with_mask" if i % 4 else "without_mask")] for i in range(80)]
    assert [event.kind for event in run(frames)] == ["appeared", "left"]
    steady = [[face("with_mask")]] * 20
    assert [event.kind for event in run(steady + frames)] == ["appeared", "settled", "left"]


def test_a_mask_pulled_down_again_and_again_makes_one_change_each_time() -> None:
    # As the running mean of a real clip rises after the mask went down, and again after it went up.
    rise = [0.60, 0.72, 0.79, 0.83, 0.87, 0.89, 0.90, 0.91, 0.92, 0.93, 0.94, 0.94, 0.95, 0.95, 0.95, 0.96, 0.96, 0.97]
    up = [[face("with_mask", score)] for score in [*rise, *[0.98] * 8]]
    down = [[face("incorrect_mask", score)] for score in rise]
    kinds = [event.kind for event in run((up + down) * 20)]
    assert kinds == ["appeared", "settled", *["changed"] * 39, "left"]


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
    assert [list(record) for record in records] == [schema["$defs"]["EventRecord"]["required"]] * len(records)
    for record in records:
        jsonschema.validate(record, schema)


@pytest.mark.parametrize("options", [{"hold_s": -1.0}, {"min_score": 1.5}, {"cooldown_s": float("nan")}])
def test_options_are_checked(options: dict[str, float]) -> None:
    with pytest.raises(RequestError, match="cannot be"):
        EventOptions(**options)


def test_events_go_to_a_file_line_by_line_and_to_the_webhook(tmp_path: Path) -> None:
    file, problems = tmp_path / "events.jsonl", list[str]()
    with (
        running_receiver() as receiver,
        open_events(EventTargets(str(file), receiver.url), problems.append, run=Run()) as add,
    ):
        for i in range(10):
            for source in ("a", "b"):
                add(FrameResult(source, i, i / RATE, (64, 48), (face("with_mask"),)))
        so_far = [json.loads(line)["event"] for line in file.read_text().splitlines()]
    assert so_far == ["appeared", "appeared", "settled", "settled"]
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(r["event"], r["source"]) for r in records[-2:]] == [("left", "a"), ("left", "b")]
    assert receiver.got == [{**record, "attempt": 1} for record in records]
    assert problems == []
    assert len({record["id"] for record in records}) == len(records)
    assert len({record["run"] for record in records}) == 1
    assert all(datetime.fromisoformat(record["at"]).tzinfo for record in records)


def test_a_file_that_cannot_be_written_and_an_address_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(OutputError), open_events(EventTargets(str(tmp_path / "no" / "e.jsonl")), print):
        pass
    with (
        pytest.raises(RequestError, match="expected an http or https URL"),
        open_events(EventTargets(None, "ftp://x/y"), print),
    ):
        pass
