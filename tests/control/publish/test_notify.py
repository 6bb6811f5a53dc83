"""Chats: what each service is told by its documentation, when, and with which picture."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from email.header import decode_header
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from maskinfer.control.publish import notify, publishers
from maskinfer.control.publish.chats import Message, tell_chat
from maskinfer.control.publish.notify import Notify
from maskinfer.control.publish.pictures import jpeg
from maskinfer.control.publish.publishers import Publishers
from maskinfer.control.room.state import CameraState
from maskinfer.control.settings.receivers import NotifySettings, WebhookSettings
from maskinfer.control.store.questions import VisitQuery
from maskinfer.engine.errors import RequestError
from maskinfer.engine.results import INCORRECT_MASK, WITHOUT_MASK
from maskinfer.engine.sinks import outbox
from maskinfer.engine.sinks.webhook_post import Answer
from maskinfer.engine.visits.visit import VisitChange
from tests.helpers.chat_service import Asked, ChatService, Reply
from tests.helpers.receiver import Receiver, running_receiver
from tests.helpers.small_room import SmallRoom, settings_for, small_room
from tests.helpers.visits_made import change, picture, visit
from tests.helpers.waiting import wait_until


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(outbox, "_POLL_S", 0.05)
    monkeypatch.setattr(publishers, "_LINGER_S", 1.0)


@pytest.fixture
def service() -> Iterator[ChatService]:
    with ChatService().running() as running:
        yield running


@pytest.fixture
def room(tmp_path: Path) -> Iterator[SmallRoom]:
    made = small_room(tmp_path / "store", settings_for("door", zones=("Empfang ä",)))
    yield made
    made.store.close()


def wrong(number: int = 1, label: str = WITHOUT_MASK) -> VisitChange:
    made = visit(number, label, zones=("Empfang ä",), ended=None)
    return change(made, "violation", picture(label, side_px=200))


def tell(room: SmallRoom, *chats: NotifySettings, changes: tuple[VisitChange, ...] = (wrong(),)) -> list[str]:
    """Let it happen in a room that tells these chats; return what could not be told."""
    room.settings = replace(room.settings, notify=chats)
    opened = Publishers(room)
    room.publishers.append(opened)
    room.happen(*changes)
    return opened.close()


def chat(service: ChatService, kind: Any, **more: Any) -> NotifySettings:
    made: dict[str, Any] = {"url": service.url, "picture": "clear", "page": "https://watch.example.org/", **more}
    return NotifySettings(kind, **made)


def test_discord_gets_a_form_with_the_picture_in_an_embed(room: SmallRoom, service: ChatService) -> None:
    assert tell(room, chat(service, "discord")) == []
    (asked,) = service.asked
    form = asked.form
    said = json.loads(form["payload_json"])
    (embed,) = said["embeds"]
    assert embed["title"] == "door, Empfang ä: somebody without a mask"
    assert embed["description"].startswith("Seen at ")
    assert embed["image"] == {"url": "attachment://person.jpg"}
    assert embed["url"] == "https://watch.example.org/visits/3f2a91c0-door-1"
    assert said["allowed_mentions"] == {"parse": []}
    assert shape_of(form["files[0]"]) == (200, 200)


def test_teams_gets_a_card_under_28_kb_with_the_picture_in_it(room: SmallRoom, service: ChatService) -> None:
    assert tell(room, chat(service, "teams")) == []
    (asked,) = service.asked
    (attachment,) = asked.json["attachments"]
    card = attachment["content"]
    assert asked.json["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert [part["type"] for part in card["body"]] == ["TextBlock", "TextBlock", "Image"]
    assert card["actions"][0]["url"].startswith("https://watch.example.org/visits/")
    head, _, data = card["body"][2]["url"].partition(",")
    assert head == "data:image/jpeg;base64"
    assert shape_of(b64decode(data))
    assert len(asked.body) < 28_000


def test_slack_by_webhook_gets_text_and_by_bot_the_picture_too(room: SmallRoom, service: ChatService) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path == "/files.getUploadURLExternal":
            return 200, {"ok": True, "upload_url": f"{service.url}/upload/v1/abc", "file_id": "F1"}
        return 200, {"ok": True}

    service.answer = answer
    assert tell(room, chat(service, "slack")) == []
    (asked,) = service.asked
    assert [block["type"] for block in asked.json["blocks"]] == ["header", "section"]
    assert "<https://watch.example.org/visits/" in asked.json["blocks"][1]["text"]["text"]
    service.asked.clear()
    room.publishers.clear()
    assert tell(room, chat(service, "slack", token="xoxb-1", chat="C1"), changes=(wrong(2),)) == []
    place, upload, done = service.asked
    assert "length=" in place.body.decode()
    assert (upload.path, shape_of(upload.body)) == ("/upload/v1/abc", (200, 200))
    assert "Authorization" not in upload.headers
    assert (done.json["files"][0]["id"], done.json["channel_id"]) == ("F1", "C1")
    assert done.json["initial_comment"].startswith("*door, Empfang ä: somebody without a mask*\nSeen at")
    assert {one.headers.get("Authorization") for one in (place, done)} == {"Bearer xoxb-1"}


@pytest.mark.parametrize("said", [{"ok": False, "error": "channel_not_found"}, {"ok": True, "upload_url": "file:///x"}])
def test_what_slack_refuses_in_its_answers_is_a_dead_letter(
    room: SmallRoom, service: ChatService, said: dict[str, Any]
) -> None:
    service.answer = lambda asked: (200, said if "files" in asked.path else {"ok": False, "error": "no"})
    (line,) = tell(room, chat(service, "slack", token="xoxb-1", chat="C1"))
    assert "xoxb" not in line
    assert not any(one.path.startswith("/x") for one in service.asked)


def test_telegram_gets_a_photo_with_a_caption(room: SmallRoom, service: ChatService) -> None:
    replies = [(429, {"ok": False, "parameters": {"retry_after": 0}}), (200, {"ok": True})]
    service.answer = lambda asked: replies.pop(0)
    assert tell(room, chat(service, "telegram", token="1:AB", chat="-100")) == []
    first, asked = service.asked
    assert first.path == asked.path == "/bot1:AB/sendPhoto"
    assert asked.form["chat_id"] == b"-100"
    assert asked.form["caption"].decode().startswith("door, Empfang ä: somebody without a mask\nSeen at")
    assert shape_of(asked.form["photo"]) == (200, 200)


def test_matrix_gets_the_picture_first_and_then_an_event_of_its_own_id(room: SmallRoom, service: ChatService) -> None:
    service.answer = lambda asked: (200, {"content_uri": "mxc://example.org/abc", "event_id": "$1"})
    assert tell(room, chat(service, "matrix", token="syt_1", chat="!room:example.org")) == []
    upload, sent = service.asked
    assert upload.path == "/_matrix/media/v3/upload?filename=person.jpg"
    assert (upload.headers["Content-Type"], shape_of(upload.body)) == ("image/jpeg", (200, 200))
    assert sent.method == "PUT"
    pattern = r"/_matrix/client/v3/rooms/%21room%3Aexample.org/send/m.room.message/[0-9a-f]{32}"
    assert re.fullmatch(pattern, sent.path)
    assert (sent.json["msgtype"], sent.json["url"]) == ("m.image", "mxc://example.org/abc")
    assert (sent.json["info"]["w"], sent.json["info"]["size"]) == (200, len(upload.body))
    assert sent.json["body"].startswith("door, Empfang ä: somebody without a mask: Seen at")


def test_ntfy_gets_the_picture_as_the_body_and_words_as_headers(room: SmallRoom, service: ChatService) -> None:
    assert tell(room, chat(service, "ntfy", token="tk_1")) == []
    (asked,) = service.asked
    assert (asked.method, shape_of(asked.body)) == ("PUT", (200, 200))
    ((title, charset),) = decode_header(asked.headers["Title"])
    assert title.decode(charset) == "door, Empfang ä: somebody without a mask"
    assert asked.headers["Message"].startswith("Seen at")
    assert (asked.headers["Filename"], asked.headers["Authorization"]) == ("person.jpg", "Bearer tk_1")


@pytest.mark.parametrize("kind", ["mattermost", "ntfy", "discord", "teams", "telegram", "matrix", "slack"])
def test_without_a_picture_there_are_only_words(room: SmallRoom, service: ChatService, kind: str) -> None:
    assert tell(room, chat(service, kind, picture="none", token="t" * 9, chat="c", page=None)) == []
    (asked,) = service.asked
    assert b"Seen at" in asked.body
    assert b"\xff\xd8\xff" not in asked.body
    assert b"http" not in asked.body.replace(b"http://adaptivecards.io", b"")


@pytest.mark.parametrize(
    ("body", "pause_s"),
    [
        ({"parameters": {"retry_after": 7}}, 7),
        ({"retry_after": 1.5}, 1.5),
        ({"retry_after_ms": 2500}, 2.5),
        ([1], 0),
        ({"retry_after": "soon", "parameters": 3}, 0),
    ],
)
def test_a_pause_that_a_service_asks_for_in_its_answer_is_heeded(body: Any, pause_s: float) -> None:
    settings, told = NotifySettings("mattermost", "http://127.0.0.1:9/"), Message("1", "title", "text")
    answer = tell_chat(settings, told, lambda *_: Answer(429, "429", body=json.dumps(body).encode()))
    assert (answer.status, answer.retry_after_s) == (429, pause_s)


@pytest.mark.parametrize("kind", ["ntfy", "discord"])
def test_a_service_that_refuses_the_picture_gets_the_words(room: SmallRoom, service: ChatService, kind: str) -> None:
    service.answer = lambda asked: (400 if b"\xff\xd8\xff" in asked.body else 200, {})
    assert tell(room, chat(service, kind)) == []
    assert [b"\xff\xd8\xff" in asked.body for asked in service.asked] == [True, False]


def test_a_blurred_picture_shows_nobody_and_none_waits_in_the_file(room: SmallRoom, service: ChatService) -> None:
    service.answer = lambda asked: (503, {})
    settings = chat(service, "ntfy", picture="blurred")
    (line,) = tell(room, settings)
    assert "1 wait on disk" in line
    for file in (room.store.folder / "outbox").iterdir():
        assert b"\xff\xd8\xff" not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0
    service.answer, service.asked[:] = lambda asked: (200, {}), []
    room.settings = replace(room.settings, notify=(settings,))
    again = Publishers(room)
    wait_until(lambda: len(service.asked) == 1)
    assert again.close() == []
    shown = cv2.imdecode(np.frombuffer(service.asked[0].body, np.uint8), cv2.IMREAD_COLOR)
    assert float(np.abs(np.diff(shown.astype(int), axis=1)).mean()) < 5


def test_a_picture_that_is_not_kept_any_more_holds_up_no_words(room: SmallRoom, service: ChatService) -> None:
    service.answer = lambda asked: (503, {})
    settings = chat(service, "discord")
    tell(room, settings)
    for file in (room.store.folder / "pictures").rglob("*.jpg"):
        file.unlink()
    service.answer, service.asked[:] = lambda asked: (204, {}), []
    again = Publishers(room)
    wait_until(lambda: len(service.asked) == 1)
    assert again.close() == []
    assert "embeds" in service.asked[0].json


def test_many_violations_are_counted_in_the_next_message(room: SmallRoom, service: ChatService, tmp_path: Path) -> None:
    now = [0.0]
    settings = chat(service, "mattermost", labels=(WITHOUT_MASK,), pause_s=30.0, page=None)
    made = Notify(settings, room.store, tmp_path / "q.sqlite", clock=lambda: now[0])
    for now[0], label in ((0, WITHOUT_MASK), (5, WITHOUT_MASK), (9, INCORRECT_MASK), (29, WITHOUT_MASK)):
        happened(room, made, label)
    for now[0] in (31, 62):
        happened(room, made, WITHOUT_MASK)
    assert made.close(linger_s=5) == []
    texts = [asked.json["text"] for asked in service.asked]
    assert len(texts) == 3
    assert [("more since" in text, "2 more" in text) for text in texts] == [
        (False, False),
        (True, True),
        (False, False),
    ]


def happened(room: SmallRoom, made: Notify, label: str) -> None:
    room.happen(wrong(1, label))
    (stored,) = room.store.visits(VisitQuery())
    made.violation(stored, stored.visit.violations[0])


def test_only_what_was_asked_for_is_told(room: SmallRoom, service: ChatService) -> None:
    others = ({"cameras": ("yard",)}, {"zones": ("desk",)}, {"labels": (INCORRECT_MASK,)})
    chats = [chat(service, "discord", **other) for other in others]
    assert tell(room, *(replace(one, token=str(i)) for i, one in enumerate(chats))) == []
    assert service.asked == []


def test_a_lost_camera_is_told_after_half_a_minute_and_its_return_too(
    room: SmallRoom, service: ChatService, tmp_path: Path
) -> None:
    now = [0.0]
    made = Notify(chat(service, "mattermost"), room.store, tmp_path / "q.sqlite", clock=lambda: now[0])
    for now[0], state in (
        *((0, "running"), (1, "lost"), (20, "lost"), (21, "running")),
        *((30, "lost"), (61, "lost"), (90, "lost"), (99, "running"), (120, "paused"), (200, "paused")),
    ):
        made.camera(CameraState("door", state, reason="timed out"))  # type: ignore[arg-type]
    assert made.close(linger_s=5) == []
    first, second = [asked.json["text"] for asked in service.asked]
    assert "door: the camera is lost" in first
    assert "timed out" in first
    assert "door: the camera is back" in second


def test_old_news_is_told_to_nobody(
    room: SmallRoom, service: ChatService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "_STALE", notify._STALE * 0)
    made = Notify(chat(service, "mattermost"), room.store, tmp_path / "q.sqlite")
    happened(room, made, WITHOUT_MASK)
    wait_until(lambda: made.outbox.refused == 1)
    (line,) = made.close(linger_s=1)
    assert "1 were refused" in line
    assert service.asked == []


def test_webhooks_of_the_settings_get_each_event_once_and_the_outboxes_are_counted(room: SmallRoom) -> None:
    with running_receiver() as receiver:
        told = _webhooks(room, receiver)
    ids = [record["id"] for record in receiver.got]
    assert len(set(ids)) == len(ids)
    assert [record["event"] for record in receiver.got] == ["camera", "began", "violation", "ended", "camera"]
    assert receiver.got[2]["violation"]["zone"] == "Empfang ä"
    assert receiver.got[2]["visit"]["camera"] == "door"
    assert receiver.got[4]["state"] == "lost"
    assert receiver.headers[0]["Authorization"] == "Bearer t0ken"
    assert told == []


def _webhooks(room: SmallRoom, receiver: Receiver) -> list[str]:
    hook = WebhookSettings(receiver.url, token="t0ken", secret="s3cret")
    room.settings = replace(room.settings, webhooks=(hook, replace(hook, url="http://127.0.0.1:9/a?token=hunter2")))
    opened = Publishers(room)
    room.publishers.append(opened)
    room.outboxes = dict(opened.outboxes)
    state = room.states["door"]
    room.camera_is(state)
    room.camera_is(state)
    began = change(visit(1, WITHOUT_MASK, zones=("Empfang ä",), ended=None), "began")
    room.happen(began, wrong(), change(wrong().visit, "picture", picture()), change(visit(1, zones=("Empfang ä",))))
    room.camera_is(replace(state, state="lost"))
    wait_until(lambda: len(receiver.got) == 5)
    # A receiver has an event a moment before its answer takes it out of the queue.
    wait_until(lambda: room.counters.waiting == {f"http://127.0.0.1:{receiver.port}": 0, "http://127.0.0.1:9": 5})
    said = opened.close()
    return [line for line in said if "127.0.0.1:9:" not in line]


def test_two_receivers_of_one_host_have_names_of_their_own_that_show_no_secret(room: SmallRoom) -> None:
    hooks = tuple(WebhookSettings(f"http://127.0.0.1:9/hunter2/{i}") for i in range(3))
    room.settings = replace(room.settings, webhooks=hooks)
    opened = Publishers(room)
    assert list(opened.outboxes) == ["http://127.0.0.1:9", "http://127.0.0.1:9 2", "http://127.0.0.1:9 3"]
    opened.close()


def test_when_one_cannot_be_opened_none_stays_open(room: SmallRoom) -> None:
    hooks = (WebhookSettings("http://127.0.0.1:9/a"), WebhookSettings("ftp://127.0.0.1/hunter2"))
    room.settings = replace(room.settings, webhooks=hooks)
    with pytest.raises(RequestError, match="cannot be posted to") as caught:
        Publishers(room)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("side_px", "most_bytes"), [(1000, None), (1000, 5000), (40, 10)])
def test_pictures_are_made_small_enough(side_px: int, most_bytes: int | None) -> None:
    data = jpeg(picture(side_px=side_px).bgr, most_bytes=most_bytes)
    assert max(shape_of(data)) <= 640
    assert most_bytes is None or len(data) <= most_bytes or max(shape_of(data)) <= 16


def shape_of(data: bytes) -> tuple[int, int]:
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert found is not None
    return found.shape[0], found.shape[1]
