"""Webhooks: what waits, what is refused, what survives, and how a receiver knows that it is from us."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from maskinfer.engine.errors import RequestError
from maskinfer.engine.sinks import outbox, webhook_queue
from maskinfer.engine.sinks.webhook import Webhook, open_webhook
from maskinfer.engine.sinks.webhook_post import WebhookOptions
from maskinfer.engine.sinks.webhook_queue import queue_file
from tests.helpers.receiver import HANG, TRICKLE, Receiver, running_receiver
from tests.helpers.waiting import wait_until

DEAD = "http://me:hunter2@127.0.0.1:9/events?token=hunter2"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(outbox, "_POLL_S", 0.05)


def numbers(records: list[dict[str, Any]]) -> list[int]:
    return [record["n"] for record in records]


def test_what_the_receiver_cannot_take_now_comes_again_in_order(receiver: Receiver) -> None:
    receiver.answers = [500, 503, 200, 429, 200, 200]
    problems: list[str] = []
    with open_webhook(receiver.url, problems.append) as hook:
        for i in range(4):
            hook.post({"n": i})
    assert numbers(receiver.got) == [0, 1, 2, 3]
    assert [record["attempt"] for record in receiver.got] == [3, 2, 1, 1]
    assert problems == []
    assert (hook.delivered, hook.refused) == (4, 0)


def test_every_try_of_a_record_has_the_same_key(receiver: Receiver) -> None:
    receiver.answers = [500, 200]
    with open_webhook(receiver.url, pytest.fail) as hook:
        hook.post({"n": 0, "id": "one"})
        hook.post({"n": 1})
    keys = [headers["Idempotency-Key"] for headers in receiver.headers]
    assert keys[:2] == ["one", "one"]
    assert keys[2] not in ("", "one")


@pytest.mark.parametrize(("answers", "tries"), [([400] * 5, 5), ([410], 1), ([302] * 5, 5)])
def test_what_the_receiver_refuses_is_kept_as_a_dead_letter(
    receiver: Receiver, tmp_path: Path, answers: list[int], tries: int
) -> None:
    receiver.answers = list(answers)
    problems: list[str] = []
    file = tmp_path / "q.sqlite"
    with open_webhook(receiver.url, problems.append, file=file) as hook:
        hook.post({"n": 0})
        hook.post({"n": 1})
    assert numbers(receiver.got) == [1]
    assert len(receiver.bodies) == tries + 1
    (letter,) = [json.loads(line) for line in (tmp_path / "q.refused.jsonl").read_text().splitlines()]
    assert (letter["record"]["n"], letter["attempts"], letter["refused"][:3]) == (0, tries, str(answers[0]))
    assert "1 were refused, see" in problems[0]
    assert (tmp_path / "q.refused.jsonl").stat().st_mode & 0o777 == 0o600
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_refusal_that_passes_loses_nothing(receiver: Receiver) -> None:
    receiver.answers = [401, 403, 401, 200]
    with open_webhook(receiver.url, pytest.fail) as hook:
        hook.post({"n": 0})
    assert numbers(receiver.got) == [0]


def test_a_receiver_that_dies_and_comes_back_is_told_once_each(tmp_path: Path) -> None:
    receiver, told, problems = Receiver(), list[str](), list[str]()
    with receiver.running():
        hook = Webhook(receiver.url, file=tmp_path / "q.sqlite", on_status=told.append)
        hook.post({"n": 0})
        wait_until(lambda: receiver.got)
    for i in (1, 2):
        hook.post({"n": i})
    wait_until(lambda: told)
    time.sleep(0.2)  # more tries, and no more words
    with receiver.running():
        wait_until(lambda: len(receiver.got) == 3)
        problems += hook.close(linger_s=5)
    assert numbers(receiver.got) == [0, 1, 2]
    assert problems == []
    name = f"http://127.0.0.1:{receiver.port}"
    assert told == [
        f"{name} takes no events, which wait and are posted again: Connection refused",
        f"{name} takes events again",
    ]


def test_what_waits_survives_a_kill(tmp_path: Path) -> None:
    receiver, file = Receiver(), tmp_path / "q.sqlite"
    with receiver.running():
        pass  # its port is free now
    code = (
        "import os, signal, sys; from pathlib import Path; from maskinfer.engine.sinks.webhook import Webhook\n"
        "hook = Webhook(sys.argv[1], file=Path(sys.argv[2]))\n"
        "for i in range(3): hook.post({'n': i})\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, receiver.url, str(file)], check=False)
    with receiver.running(), open_webhook(receiver.url, pytest.fail, file=file, linger_s=30) as hook:
        hook.post({"n": 3})
    assert numbers(receiver.got) == [0, 1, 2, 3]
    assert len({record["id"] for record in receiver.got}) == 4


def test_what_waits_at_the_end_is_told_and_posted_by_the_next_run(tmp_path: Path) -> None:
    receiver, problems, file = Receiver(), list[str](), tmp_path / "q.sqlite"
    with receiver.running():
        pass
    with open_webhook(receiver.url, problems.append, file=file, linger_s=0.1) as hook:
        hook.post({"n": 0})
    (said,) = problems
    assert said.startswith(f"1 events did not reach http://127.0.0.1:{receiver.port}: 1 wait on disk for the next run")
    with receiver.running(), open_webhook(receiver.url, pytest.fail, file=file):
        pass
    assert numbers(receiver.got) == [0]


def test_two_that_post_to_one_receiver_post_everything_once(receiver: Receiver, tmp_path: Path) -> None:
    file = tmp_path / "q.sqlite"
    with (
        open_webhook(receiver.url, pytest.fail, file=file) as a,
        open_webhook(receiver.url, pytest.fail, file=file) as b,
    ):
        for i in range(20):
            (a, b)[i % 2].post({"n": i})
    assert sorted(numbers(receiver.got)) == list(range(20))


def test_without_room_the_newest_wait_and_the_loss_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_queue, "MAX_WAITING", 5)
    hook = Webhook(DEAD, file=tmp_path / "q.sqlite")
    for i in range(8):
        hook.post({"n": i})
    (said,) = hook.close(linger_s=0.1)
    assert said.startswith("8 events did not reach http://127.0.0.1:9: 5 wait on disk for the next run, 3 had no room")


def test_where_no_file_can_be_they_wait_in_memory_and_that_is_told(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told: list[str] = []
    with open_webhook(receiver.url, pytest.fail, file=tmp_path / "file" / "q.sqlite", on_status=told.append) as hook:
        hook.post({"n": 0})
    assert numbers(receiver.got) == [0]
    assert "wait in memory only" in told[0]


@pytest.mark.parametrize("how", [HANG, TRICKLE])
def test_a_receiver_that_does_not_finish_is_left_after_the_total_time(receiver: Receiver, how: int) -> None:
    receiver.answers = [how]
    told: list[str] = []
    hook = Webhook(receiver.url, options=WebhookOptions(timeout_s=0.3), on_status=told.append)
    for i in range(3):
        hook.post({"n": i})
    assert hook.close(linger_s=8) == []
    assert numbers(receiver.got) == [0, 1, 2]
    assert "it did not answer in time" in told[0]


@pytest.mark.parametrize("secret", ["plain text", "whsec_" + b64encode(b"0123456789abcdef01234567").decode()])
def test_posts_are_signed_by_the_specification(receiver: Receiver, secret: str) -> None:
    """https://github.com/standard-webhooks/standard-webhooks: HMAC-SHA256 of id.timestamp.body, in base64."""
    options = WebhookOptions(token="t0ken", secret=secret, headers={"X-Site": "7"})
    with open_webhook(receiver.url, pytest.fail, options=options) as hook:
        hook.post({"n": "ä"})
    (headers,), (body,) = receiver.headers, receiver.bodies
    key = b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    signed = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode() + body
    expected = b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["Webhook-Signature"] == f"v1,{expected}"
    assert abs(int(headers["Webhook-Timestamp"]) - time.time()) < 60
    assert (headers["Authorization"], headers["X-Site"]) == ("Bearer t0ken", "7")
    assert headers["Webhook-Id"] == headers["Idempotency-Key"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirections_are_followed_as_configured(receiver: Receiver, status: int) -> None:
    receiver.answers = [status]
    options = WebhookOptions(redirects=1, token="t0ken", headers={"X-Key": "k3y"})
    with running_receiver() as there:
        receiver.location = there.url
        with open_webhook(receiver.url, pytest.fail, options=options) as hook:
            hook.post({"n": 0})
    assert numbers(there.got) == [0]
    assert receiver.got == []
    # To another host goes nothing private.
    assert not {"Authorization", "X-Key"} & set(there.headers[0])
    assert there.headers[0]["Idempotency-Key"] == receiver.headers[0]["Idempotency-Key"]


def test_a_name_and_a_password_in_the_address_are_sent_as_such(receiver: Receiver) -> None:
    with open_webhook(receiver.url.replace("http://", "http://gu%40rd:hunter2@"), pytest.fail) as hook:
        hook.post({"n": 1})
    assert receiver.headers[0]["Authorization"] == "Basic " + b64encode(b"gu@rd:hunter2").decode()


@pytest.mark.parametrize("url", ["ftp://a/b", "http://", "http://a:b/c", "http://u:hunter2@a/b c", "http://a/ä"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(RequestError, match="cannot be posted to") as caught, open_webhook(url, print):
        pass
    assert "hunter2" not in str(caught.value)


def test_options_that_cannot_be() -> None:
    for wrong in ({"token": "a\nb"}, {"headers": {"A B": "x"}}, {"headers": {"A": "x\r\ny"}}, {"secret": "whsec_!"}):
        with pytest.raises(RequestError, match="the webhook's") as caught:
            WebhookOptions(**wrong)
        assert "!" not in str(caught.value)
    assert "hunter2" not in repr(WebhookOptions(token="hunter2", secret="hunter2", headers={"A": "hunter2"}))


def test_the_file_of_a_queue_shows_no_secret() -> None:
    assert "hunter2" not in str(queue_file(DEAD))
    assert queue_file(DEAD) != queue_file(DEAD + "x")


def test_who_asks_to_stop_twice_does_not_wait_for_a_receiver_that_hangs(receiver: Receiver) -> None:
    receiver.answers = [HANG]
    began_s = time.monotonic()
    with suppress(KeyboardInterrupt), open_webhook(receiver.url, print) as hook:
        hook.post({"n": 1})
        time.sleep(0.2)
        raise KeyboardInterrupt
    assert time.monotonic() - began_s < 3
