"""What is shown of addresses, and where they can come from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from maskinfer.engine.errors import RequestError
from maskinfer.engine.files.urls import public_host, public_name, public_names, read_address


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://10.0.0.7/ch1", "rtsp://10.0.0.7/ch1"),
        ("rtsp://guard:hunter2@10.0.0.7:554/ch1", "rtsp://10.0.0.7:554/ch1"),
        ("http://me@example.com:hunter2@host/", "http://host/"),
        ("rtsp://guard@[fe80::1]:554/ch1", "rtsp://[fe80::1]:554/ch1"),
        ("http://host/video?passphrase=x&loginpas=x&sig=x&access_token=x#pswd=x", "http://host/video"),
        ("rtsp://10.0.0.7/user=admin_password=hunter2_channel=1.sdp?real_stream", "rtsp://10.0.0.7/***"),
        ("rtsps://10.0.0.7:7441/aB3dEfGh1jKlMn0P", "rtsps://10.0.0.7:7441/***"),
        ("https://example.com/bot123:hunter2/send", "https://example.com/***/send"),
        ("http://host/live;password=hunter2", "http://host/live"),
        ("rtsp://guard:hun/ter2@10.0.0.7/ch1", "rtsp://***"),
        ("rtsp://guard:hun?t@er2@10.0.0.7/ch1", "rtsp://***"),
        ("rtsp://guard:hunter2", "rtsp://***"),
        ("guard:hunter2@10.0.0.7/ch1", "***"),
        ("concat:http://guard:hunter2@host/a.ts", "***"),
        ("a:b.mp4", "a:b.mp4"),
        ("file:///clips/what is shown of files.mp4", "file:///clips/what is shown of files.mp4"),
    ],
)
def test_only_the_harmless_parts_are_shown(url: str, shown: str) -> None:
    assert public_name(url) == shown


def test_a_file_is_shown_whatever_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a:b@c.mp4").touch()
    assert public_name("a:b@c.mp4") == "a:b@c.mp4"


def test_of_webhooks_only_the_host_is_shown() -> None:
    assert public_host("https://hooks.example.com/services/T0/B0/kx3Wp?a=b") == "https://hooks.example.com"
    assert public_host("https://me:pw@hooks.example.com:8443/x") == "https://hooks.example.com:8443"
    assert public_host("not an address") == "***"


def test_names_that_would_be_the_same_are_numbered() -> None:
    urls = [f"rtsp://10.0.0.7/cam?channel={i}" for i in (1, 2)]
    assert public_names([*urls, "0"]) == ["rtsp://10.0.0.7/cam#1", "rtsp://10.0.0.7/cam#2", "0"]


# Longer than a word of a path, as tokens are, and never part of what is harmless.
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=16, max_size=40)
PLACES = (
    "rtsp://guard:{}@10.0.0.7/ch1", "rtsp://{}@10.0.0.7/ch1", "rtsp://me@example.com:{}@10.0.0.7:554/ch1",
    "http://10.0.0.7/ch1?token={}", "http://10.0.0.7/ch1?a=b&X-Amz-Signature={}", "http://10.0.0.7/ch1#{}",
    "http://10.0.0.7/{}/ch1", "rtsp://10.0.0.7/user=admin_password={}_channel=1.sdp", "http://10.0.0.7/a;pswd={}",
)  # fmt: skip


@given(SECRETS, st.sampled_from(PLACES))
def test_no_secret_is_shown_wherever_it_stands(secret: str, place: str) -> None:
    shown = public_name(place.format(secret))
    # Of a secret with a slash in it each part stands for itself.
    pieces = [piece for piece in secret.replace("@", "/").split("/") if len(piece) > 15]
    assume(pieces)
    assert not any(piece in shown for piece in pieces)
    assert secret not in public_host(place.format(secret))


def test_an_address_can_come_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "door.url"
    file.write_text("rtsp://guard:hunter2@10.0.0.7/ch1\nnotes\n")
    monkeypatch.setenv("DOOR", "rtsp://10.0.0.8/ch1")
    assert read_address("env:DOOR") == "rtsp://10.0.0.8/ch1"
    assert read_address(f"@{file}") == "rtsp://guard:hunter2@10.0.0.7/ch1"
    assert read_address("rtsp://10.0.0.7/ch1") == "rtsp://10.0.0.7/ch1"
    file.write_text("\n")
    for text in ("env:NOBODY", f"@{file}", f"@{tmp_path}/none"):
        with pytest.raises(RequestError, match=r"NOBODY is not set|door\.url is empty|cannot be read"):
            read_address(text)
