"""What commands write: over nothing that they read, and refused before anything is begun. In this process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from maskinfer.cli import main
from maskinfer.commands.options import Output
from tests.conftest import ROOT


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one file of each kind that commands read; none is what it is called, since none is to be opened."""
    monkeypatch.chdir(tmp_path)
    for name in ("m.onnx", "c.pt", "f.json", "n.toml", "d.yaml", "a.jpg", "f.mp4", "r.jsonl", "b.json", "split.json"):
        Path(name).write_text(f"kept {name}")
        Path(f"link-{name}").symlink_to(name)
    for folder in ("dev", "other"):
        Path(folder).mkdir()
    Path("dev/scenes.jsonl").write_text("kept")
    Path("dev/a.jpg").write_text("kept")
    Path("album").symlink_to("dev")
    return tmp_path


OVERWRITING = [
    "evaluate --data dev/scenes.jsonl --json album/scenes.jsonl",
    "evaluate --data dev --jsonl dev/scenes.jsonl",
    "evaluate --data dev --report dev/../dev/scenes.jsonl",
    "evaluate --data dev --plots album",
    "evaluate link-m.onnx --data dev --json m.onnx",
    "evaluate --data dev --json x.json --report ./x.json",
    "evaluate --data dev --json a.jpg",
    "export c.pt link-c.pt",
    "adopt m.onnx link-m.onnx",
    "adopt m.onnx d.yaml --description link-d.yaml",
    "quantize m.onnx link-m.onnx --data dev",
    "quantize m.onnx dev/scenes.jsonl --data dev",
    "calibrate m.onnx f.json --figures link-f.json",
    "calibrate link-m.onnx m.onnx --faces dev",
    "card m.onnx --figures f.json -o link-f.json",
    "card m.onnx --notes link-n.toml -o n.toml",
    "data audit dev --sheet album/a.jpg",
    "data audit dev --split split.json --json link-split.json",
    "data audit dev --json x --sheet x",
    "data synth --data dev --out album",
    "data synth --data dev --out new --sheet dev/a.jpg",
    "train --data dev --out album",
    "train --data dev --start m.onnx --out link-m.onnx",
    "train-detector --data dev --out ./dev",
    "benchmark --data dev --json dev/scenes.jsonl",
    "benchmark --baseline b.json --json link-b.json",
    "benchmark --json x --csv ./x",
    "benchmark job f.mp4 --json link-f.mp4",
    "benchmark --model m.onnx --csv link-m.onnx",
    "image a.jpg --classifier m.onnx --jsonl link-m.onnx",
    "image a.jpg --detector m.onnx --csv ./m.onnx",
    "video f.mp4 -o link-m.onnx --detector m.onnx",
    "stream --source f.mp4 --no-show --classifier m.onnx --events link-m.onnx",
    "render f.mp4 r.jsonl -o link-r.jsonl",
    "report r.jsonl --json -o link-r.jsonl",
]


@pytest.mark.parametrize("line", OVERWRITING)
def test_no_command_overwrites_what_it_reads(line: str, here: Path) -> None:
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    done = run(*line.split())
    assert (done.exit_code, done.stdout) == (2, "")
    (said,) = [text for text in done.stderr.splitlines() if text.startswith("Error: ")]
    assert any(part in said for part in ("would be overwritten", "two outputs", "named as a picture"))
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


IMPOSSIBLE = [
    "evaluate --data dev --json no/such/x.json",
    "evaluate --data dev --report other",
    "evaluate --data dev --plots f.json",
    "export c.pt no/such/x.onnx",
    "adopt m.onnx other",
    "quantize m.onnx no/such/x.onnx --data dev",
    "calibrate m.onnx no/such/x.onnx --figures f.json",
    "card m.onnx -o no/such/x.md",
    "data audit dev --json no/such/x.json",
    "data synth --data dev --out f.json",
    "benchmark --csv no/such/x.csv",
    "benchmark --plot f.json",
    "benchmark job f.mp4 --json no/such/x.json",
    "benchmark capacity --json other",
    "report r.jsonl --json -o no/such/x.json",
]


@pytest.mark.parametrize("line", IMPOSSIBLE)
def test_what_cannot_be_written_is_told_at_once(line: str) -> None:
    done = run(*line.split())
    assert done.exit_code == 2, done.output
    (said,) = [text for text in done.stderr.splitlines() if text.startswith("Error: ")]
    assert any(part in said for part in ("there is no folder no/such", "no/such; create", "is a folder", "is a file"))
    assert not Path("no").exists()


def commands(group: click.Group) -> list[click.Command]:
    found = [group] if group.invoke_without_command else []
    for command in group.commands.values():
        found += commands(command) if isinstance(command, click.Group) else [command]
    return found


def test_every_path_that_is_written_is_known_as_one() -> None:
    """An option whose help says that it writes, or an argument called OUT, is checked before its command begins."""
    for command in commands(main):
        for param in command.params:
            text = getattr(param, "help", "") or ""
            is_path = any(kind in (param.metavar or "") for kind in ("FILE", "FOLDER"))
            if param.name == "out" or (is_path and text.startswith(("Write ", "Save ", "Draw ", "Record "))):
                assert isinstance(param.type, Output), (command.name, param.name)


@pytest.mark.parametrize("line", ["image a.jpg -o", "image a.jpg --jsonl", "evaluate --data dev --json", "export c.pt"])
def test_an_empty_name_is_no_output(line: str) -> None:
    done = run(*line.split(), "")
    assert done.exit_code == 2
    assert "the name is empty" in done.output


def test_a_model_may_be_called_as_an_output_is_that_is_not_there() -> None:
    assert "overwritten" not in run("card", "mobilenetv2-128", "-o", "mobilenetv2-128").output
    assert os.path.isfile("mobilenetv2-128")  # noqa: PTH113 - a file beside the model's name


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("line", ["--help", "--version", "models list", "card mobilenetv2-128", "doctor"])
def test_what_is_shown_goes_to_a_full_disk(line: str) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "maskinfer", *line.split()]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (1, "Error: standard output cannot be written: No space left on device\n")
