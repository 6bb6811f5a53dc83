from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskinfer.control.settings.example import example, write_example
from maskinfer.control.settings.lines import line_of
from maskinfer.control.settings.passwords import hash_password
from maskinfer.control.settings.read import read_settings, settings_from, settings_of
from maskinfer.control.settings.types import Settings
from maskinfer.engine.errors import MaskinferError, RequestError
from maskinfer.engine.schema import json_schema, parse_toml

ENVIRON = {
    "USER_": "guard",
    "PASSWORD": "hunter2",
    "HOOK": "https://desk.local/T0/kx3Wp",
    "TOKEN": "0123456789abcdef",
    "HASH": hash_password("correct horse"),
}
FILE = """\
# The watch of the north side.
time_zone = "Europe/Berlin"

[[cameras]]
name = "door"
url = "rtsp://${USER_}:${PASSWORD}@10.0.0.7/main"
active = [
  "mon-fri 07:00-19:30",
  "sat 08:00-13:00",
]

[[cameras.zones]]
name = "counter"
# where people wait
polygon = [
  [0.1, 0.2],
  [0.9, 0.2],
  [0.5, 0.9],
]

[[cameras.lines]]
name = "doorstep"
ends = [[0.1, 0.5], [0.9, 0.5]]

[[cameras]]
name = "yard"
url = "0"

[page]
listen = "127.0.0.1:8600"

[[accounts]]
name = "desk"
password_hash = "${HASH}"

[[tokens]]
name = "grafana"
token = "${TOKEN}"

[[webhooks]]
url = "${HOOK}"
headers = { X = "1" }

[[notify]]
service = "telegram"
chat = "1"
token = "t"
url = "${HOOK}"
cameras = ["door"]
"""


def read(text: str) -> Settings:
    return settings_from(text, "watch.toml", environ=ENVIRON)


def test_a_file_is_read_and_its_variables_are_filled_in() -> None:
    settings = read(FILE)
    door, yard = settings.cameras
    assert door.url == "rtsp://guard:hunter2@10.0.0.7/main"
    assert door.zones[0].polygon == ((0.1, 0.2), (0.9, 0.2), (0.5, 0.9))
    assert (yard.url, yard.zones, settings.webhooks[0].url) == ("0", (), ENVIRON["HOOK"])
    assert settings.notify[0].cameras == ("door",)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "yard"', 'nam = "yard"', "line 26: unknown field 'nam' in cameras[1], did you mean 'name'?"),
        ('name = "yard"', 'name = "door"', "line 26: two cameras are named 'door'"),
        ('name = "yard"', 'name = "../x"', "line 26: cameras[1].name is '../x', expected a name of up to 64 letters"),
        ('name = "yard"', 'name = "<b>"', "line 26: cameras[1].name is '<b>', expected a name"),
        ('url = "0"', "", "line 25: 'cameras[1].url' is missing"),
        ('url = "0"', 'url = "1000"', "line 27: there is no camera 1000"),
        ('url = "0"', "url = 0", "line 27: cameras[1].url is something else: expected text"),
        (
            "[0.9, 0.2]",
            "[1.9, 0.2]",
            "line 15: cameras[0].zones[0].polygon[1][0] is 1.9, expected a number from 0 to 1",
        ),
        (
            "  [0.5, 0.9],\n",
            "",
            "line 15: cameras[0].zones[0].polygon is [[0.1, 0.2], [0.9, 0.2]], expected a",
        ),
        ("[[0.1, 0.5], [0.9, 0.5]]", "[[0.1, 0.5], [0.1, 0.5]]", "line 21: line doorstep begins where it ends"),
        ('"doorstep"', '"counter"', "line 22: 'counter' is a zone and a line of door"),
        ("Europe/Berlin", "Europe/Berlim", "line 2: there is no time zone 'Europe/Berlim': expected a name such as"),
        ("sat 08:00", "sab 08:00", "line 7: active hours of door: 'sab' is no day of the week, expected one of mon,"),
        ("19:30", "27:30", "line 7: active hours of door: '27:30' is no time of the day, expected 00:00 to 24:00"),
        ("08:00-13:00", "08:00-08:00", "line 7: active hours of door: 'sat 08:00-08:00' begins when it ends"),
        ("07:00-19:30", "7-9", "line 7: cameras[0].active[0] is 'mon-fri 7-9', expected hours such as \"07:00-19:30\""),
        ("${PASSWORD}", "${PASS}", "line 6: cameras.url needs the environment variable PASS: set it and start again"),
        ("127.0.0.1:8600", "8600", "line 30: page.listen is '8600', expected an address and a port"),
        ("127.0.0.1:8600", "127.0.0.1:70000", "line 30: page.listen has the port 70000, expected one up to 65535"),
        ("[page]", "[page", "line 29: this is no TOML: Expected ']'"),
        ("[page]", "[[page]]", "line 29: page is [{'listen': '127.0.0.1:8600'}], expected names and values"),
        ("[page]", "[cameras]", "line 29: this is no TOML: Cannot"),
        ("${HASH}", "correct horse", "line 34: the password_hash of desk is no hash: maskinfer serve --hash-password"),
        ("${TOKEN}", "short", "line 38: the token of grafana can be guessed: expected 16 ASCII"),
        ("${HOOK}", "desk.local", "line 41: webhooks[0].url is no address that can be posted to, expected http"),
        ('X = "1"', 'X = ["hunter2"]', "line 42: webhooks[0].headers.X is something else: expected text"),
        ('"telegram"', '"icq"', "line 45: notify[0].service is 'icq', expected one of discord"),
        ('chat = "1"', "", "line 44: telegram needs chat"),
        ('["door"]', '["dor"]', "line 49: there is no camera 'dor', expected one of door, yard"),
        ('"127.0.0.1:8600"', '"${PASSWORD}"', "line 30: page.listen is something else: expected an address"),
        (FILE, "", "line 1: 'cameras' is missing"),
        (FILE, "cameras = []", "line 1: cameras is [], expected a list of 1 or more"),
        (FILE, "\x00", "line 1: this is no TOML"),
        (FILE, 'a = "', "line 1: this is no TOML"),
    ],
)
def test_a_mistake_is_named_with_its_line(old: str, new: str, said: str) -> None:
    assert old in FILE
    with pytest.raises(RequestError) as caught:
        read(FILE.replace(old, new))
    assert str(caught.value).startswith(f"watch.toml, {said}")
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_several_mistakes_are_told_together() -> None:
    with pytest.raises(RequestError, match=r"line 26: two cameras.*; line 34: the password_hash of desk"):
        read(FILE.replace("yard", "door").replace("${HASH}", "x"))


def test_an_address_that_others_reach_needs_an_account_or_a_token() -> None:
    open_to_all = FILE.replace("127.0.0.1:8600", "0.0.0.0:8600")
    assert read(open_to_all).page.listen == "0.0.0.0:8600"
    without = re.sub(r"\[\[(accounts|tokens)\]\]\n(.+\n)+", "", open_to_all)
    with pytest.raises(RequestError, match=r"line 30: page.listen is 0.0.0.0:8600, which other machines reach"):
        read(without)


def _wrong(node: dict[str, Any], types: dict[str, Any]) -> list[Any]:
    """Values that a part of the schema does not take."""
    node = types[node["$ref"].rpartition("/")[2]] if "$ref" in node else node
    kinds = {option.get("type") for option in node.get("anyOf", [node])}
    kinds |= {types[o["$ref"].rpartition("/")[2]]["type"] for o in node.get("anyOf", []) if "$ref" in o}
    values = {"string": "x", "boolean": True, "integer": 1, "number": 1.5, "array": [[]], "object": {"no": 1}}
    taken = kinds | ({"integer"} if "number" in kinds else set())
    return [value for kind, value in values.items() if kind not in taken]


def test_every_field_is_refused_when_it_has_another_type() -> None:
    from maskinfer.engine.schema import FieldError, from_plain

    schema = json_schema(Settings)
    whole = parse_toml(FILE)
    wrong = [(name, value) for name, node in schema["$defs"]["Settings"]["properties"].items()
             for value in _wrong(node, schema["$defs"])]  # fmt: skip
    places: list[tuple[Any, str, str]] = [
        (lambda data: data["cameras"][0], "CameraSettings", "cameras"),
        (lambda data: data["cameras"][0]["zones"][0], "ZoneSettings", "cameras"),
        (lambda data: data["cameras"][0]["lines"][0], "LineSettings", "cameras"),
        (lambda data: data["page"], "PageSettings", "page"),
        (lambda data: data["accounts"][0], "AccountSettings", "accounts"),
        (lambda data: data["webhooks"][0], "WebhookSettings", "webhooks"),
        (lambda data: data["notify"][0], "NotifySettings", "notify"),
        (lambda data: data.setdefault("mqtt", {"host": "h"}), "MqttSettings", "mqtt"),
        (lambda data: data.setdefault("models", {}), "ModelSettings", "models"),
        (lambda data: data.setdefault("visits", {}), "VisitSettings", "visits"),
    ]
    for name, value in wrong:
        with pytest.raises(FieldError):
            from_plain({**whole, name: value}, Settings)
    for place, kind, top in places:
        for name, node in schema["$defs"][kind]["properties"].items():
            for value in _wrong(node, schema["$defs"]):
                data = parse_toml(FILE)
                place(data)[name] = value
                with pytest.raises(FieldError) as caught:
                    from_plain(data, Settings)
                assert (caught.value.path[0], name in caught.value.path) == (top, True)


def test_no_secret_is_in_what_settings_print() -> None:
    text = FILE + '[mqtt]\nhost = "h"\npassword = "${PASSWORD}"\n'
    said = repr(read(text))
    assert not [secret for name, secret in ENVIRON.items() if name != "USER_" and secret in said]


@given(st.text(max_size=60))
def test_whatever_a_file_holds_is_told_in_one_line(text: str) -> None:
    with pytest.raises(RequestError) as caught:
        read(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "watch.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RequestError, match=r"watch\.toml"):
        read_settings(file)


def test_the_store_lies_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "watch.toml").write_text('[[cameras]]\nname = "a"\nurl = "0"\n')
    assert read_settings(tmp_path / "watch.toml").store.folder == str(tmp_path / "watch-data")


def test_the_example_can_be_used_as_it_is_and_names_every_field(tmp_path: Path) -> None:
    write_example(tmp_path / "watch.toml")
    settings = read_settings(tmp_path / "watch.toml")
    assert settings.cameras[0].zones[0].name == "entrance"
    with pytest.raises(MaskinferError, match="is there already"):
        write_example(tmp_path / "watch.toml")
    words = set(re.findall(r"\w+", example()))
    assert not {name for kind in json_schema(Settings)["$defs"].values() for name in kind["properties"]} - words


def test_all_that_the_example_shows_is_taken() -> None:
    # What is commented out begins with a lower-case name or a bracket right after "# ".
    text = re.sub(r"(?m)^# (?=\[|[a-z_]+ = )", "", example())
    environ = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "https://0123456789abcdef")
    environ["DESK_PASSWORD_HASH"] = ENVIRON["HASH"]
    settings = settings_from(text, "watch.toml", environ=environ)
    assert settings.mqtt is not None
    assert [chat.service for chat in settings.notify] == ["slack"]


def test_the_defaults_that_the_example_shows_are_the_defaults() -> None:
    assert settings_from(example(), "x", environ={}) == settings_from(
        re.sub(r"(?ms)^\[(visits|models|page|store|store\.retention|recording)\]$.*?(?=^\[|\Z)", "", example()),
        "x",
        environ={},
    )


def test_settings_of_sources() -> None:
    settings = settings_of(["door=rtsp://10.0.0.7/ch1", "0", "1"])
    assert [(camera.name, camera.url) for camera in settings.cameras] == [
        ("door", "rtsp://10.0.0.7/ch1"), ("camera 1", "0"), ("camera 2", "1"),
    ]  # fmt: skip
    with pytest.raises(RequestError, match="the source 0 is given twice"):
        settings_of(["0", "0"])


@pytest.mark.parametrize(
    ("path", "line"),
    [(("cameras", 1), 25), (("cameras", 0, "zones", 0, "polygon", 2, 1), 15), (("notify", 0, "chat"), 46), ((), 1),
     (("cameras", 5), 4), (("time_zone",), 2), (("webhooks", 0, "headers", "X"), 42), (("no",), 1)],
)  # fmt: skip
def test_the_line_of_a_value(path: tuple[str | int, ...], line: int) -> None:
    assert line_of(FILE, path) == line
