from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from maskinfer.console import bars
from maskinfer.console import progress as shown
from maskinfer.engine.flow.progress import Progress


def work(progress: Progress) -> None:
    progress.describe("reading")
    progress.set_total(2)
    progress.advance()
    progress.say("[1] epoch 1 is over")
    progress.advance()
    progress.describe("training")


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("make_bar", [lambda: shown.progress_bar("job", "steps"), lambda: shown.byte_bar("a.onnx")])
def test_bars_are_for_terminals_and_lines_for_all(
    is_terminal: bool, make_bar: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = StringIO()
    console = Console(file=out, force_terminal=is_terminal, width=100, highlight=False, _environ={"TERM": "xterm"})
    monkeypatch.setattr(bars, "STDERR", console)
    monkeypatch.setattr(shown, "is_terminal", lambda: is_terminal)
    monkeypatch.setattr(sys, "stderr", out)
    with make_bar() as progress:  # type: ignore[operator]
        work(progress)
    assert "[1] epoch 1 is over" in out.getvalue()
    assert ("training" in out.getvalue()) == is_terminal


def test_a_stage_forgets_the_total_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    out = StringIO()
    monkeypatch.setattr(shown, "is_terminal", lambda: True)
    monkeypatch.setattr(bars, "STDERR", Console(file=out, force_terminal=True, width=100, highlight=False))
    with shown.progress_bar("job", "steps") as progress:
        progress.set_total(7)
        progress.advance(7)
        progress.describe("training")
    last = out.getvalue().rsplit("training", 1)[1]
    assert "7" not in last.split("--")[0].replace("\x1b[", "")


def test_in_a_pipe_a_short_job_loads_no_rich(portrait_jpg: Path, colour_classifier: Path) -> None:
    """It would take a seventh of the time until the first label is there."""
    code = (
        "import sys; from maskinfer.cli import main; "
        f"main(['image', {str(portrait_jpg)!r}, '--classifier', {str(colour_classifier)!r}], standalone_mode=False); "
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('rich', 'pandas', 'torch', 'matplotlib')))"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "TTY_COMPATIBLE")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert "1 image in" in done.stderr, done.stderr
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stdout
