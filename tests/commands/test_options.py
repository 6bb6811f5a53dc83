"""Options: what does nothing is refused, help shows them in groups, and its examples can be typed as they stand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from maskinfer.cli import main

RENDER = ["render", "a.mp4", "a.jsonl", "-o", "b.mp4"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["image", "a.jpg", "--blur-faces"], "--blur-faces would do nothing: it is for annotated copies"),
        (["image", "a.jpg", "--crop-label", "with_mask"], "--crop-label would do nothing: crops are written only"),
        (["video", "a.mp4"], "nothing would be written: give -o FILE, or results by --jsonl"),
        (["video", "a.mp4", "b.mp4", "--jsonl", "r"], "of several videos -o has to name a folder"),
        (["video", "a.mp4", "--jsonl", "r", "--blur-faces"], "--blur-faces would do nothing: nothing is drawn without"),
        (
            ["stream", "--source", "a.mp4", "--every-frame"],
            "--every-frame would do nothing: none of the sources is live",
        ),
        (["stream", "--source", "0", "--no-track", "--every-frame"], "--every-frame would do nothing: with --no-track"),
        (["video", "a.mp4", "-o", "b.mp4", "--jobs", "2"], "--jobs would do nothing: there is one video"),
        (
            ["video", "a.mp4", "-o", "b.mp4", "--event-hold", "1"],
            "--event-hold would do nothing: no events are reported",
        ),
        (["video", "a.mp4", "-o", "b.mp4", "--no-track", "--detect-every", "2"], "--detect-every would do nothing"),
        (["video", "a.mp4", "-o", "b.mp4", "--no-track", "--events", "e.jsonl"], "--events and --webhook need tracked"),
        ([*RENDER, "--event-min-score", "0.5"], "--event-min-score would do nothing: events matter only with --only"),
        ([*RENDER, "--no-boxes", "--counts"], "--counts would do nothing: they are drawn with the boxes"),
        (["stream", "--source", "a.mp4", "--segment", "1m"], "--segment would do nothing: nothing is recorded"),
        (["stream", "--source", "a.mp4", "--no-show", "--blur-faces"], "--blur-faces would do nothing: nothing is"),
        (["stream", "--source", "a.mp4", "--give-up-after", "1m"], "--give-up-after would do nothing: none of the"),
        (["image", "a.jpg", "--detector-kind", "scrfd"], "--detector-kind would do nothing: the default detector"),
        (["image", "a.jpg", "-o", "b", "--blur-hold", "1"], "No such option '--blur-hold'"),
        (["image", "a.jpg", "--det-size", "99999999"], "(--det-size) is 99999999x99999999, expected 32 to 8192"),
        (["image", "a.jpg", "--det-size", "0"], "(--det-size) is 0x0, expected 32 to 8192 pixels a side"),
        (["image", "a.jpg", "--max-error", "0.1", "--uncertain-below", "0.5"], "give one of them"),
        (
            ["stream", "--source", "a", "--webhook", "http://a", "--webhook-token", "env:NOPE"],
            "the environment variable NOPE is not set",
        ),
        (["data", "audit", "faces", "--seed", "1"], "--seed would do nothing: nothing is random"),
        (["models", "pull", "x", "--offline", "--accept-licence"], "--accept-licence would do nothing: nothing is"),
        (
            ["image", "a.jpg", "--preset", "fast", "--detector", "retinaface", "--classifier", "mobilenetv2-128"],
            "--preset would do nothing: detector and classifier are named",
        ),
        (["tune", "--forget", "--dry-run"], "--dry-run would do nothing: nothing is measured"),
        (["train", "--data", "a", "--out", "b", "--dev", "c", "--split", "group"], "--split would do nothing"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert said in done.output


def test_an_option_at_its_default_may_be_typed() -> None:
    done = CliRunner().invoke(main, ["stream", "--source", "none.mp4", "--no-show", "--track"])
    assert "none.mp4" in done.output
    assert "would do nothing" not in done.output


def test_the_help_of_stream_says_how_sources_get_names() -> None:
    text = CliRunner().invoke(main, ["stream", "--help"]).output
    assert "[NAME=]SOURCE" in text
    assert "door=0 calls the source door" in " ".join(text.split())


def test_help_shows_options_in_groups() -> None:
    text = CliRunner().invoke(main, ["video", "--help"]).output
    headings = re.findall(r"^(\w+):$", text, re.MULTILINE)
    assert headings == ["Options", "Look", "Blurring", "Results", "Events", "Tracking", "Models"]
    assert text.index("Events:") < text.index("--webhook") < text.index("--event-hold") < text.index("Tracking:")


def commands(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    yield path, command
    for name, inner in command.commands.items() if isinstance(command, click.Group) else ():
        yield from commands(inner, f"{path} {name}".strip())


COMMANDS = dict(commands(main))
EXAMPLES = [
    line.strip().partition(" | ")[0]
    for command in COMMANDS.values()
    for line in (command.help or "").partition("Examples:")[2].replace("\\\n", " ").splitlines()
    if "maskinfer " in line
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_typed_as_it_stands(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option is known and every value can be read; what the commands do is tested elsewhere."""
    for command in COMMANDS.values():
        monkeypatch.setattr(command, "callback", lambda **values: None)
    before, _, typed = example.partition("maskinfer ")
    done = CliRunner().invoke(main, shlex.split(typed), env=dict(part.split("=", 1) for part in before.split()))
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained_in_sentences(name: str) -> None:
    options = [param for param in COMMANDS[name].params if isinstance(param, click.Option)]
    assert [option.opts[0] for option in options if not (option.help or "").endswith(".")] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_takes_a_number_that_is_not_finite(name: str) -> None:
    for parameter in COMMANDS[name].params:
        for kind in parameter.type.types if isinstance(parameter.type, click.Tuple) else [parameter.type]:
            if isinstance(kind, (click.types.FloatParamType, click.FloatRange)):
                for value in ("nan", "inf"):
                    with pytest.raises(click.BadParameter):
                        kind.convert(value, parameter, None)
