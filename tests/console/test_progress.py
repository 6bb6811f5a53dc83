from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

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
    monkeypatch.setattr(shown, "STDERR", console)
    with make_bar() as progress:  # type: ignore[operator]
        work(progress)
    assert "[1] epoch 1 is over" in out.getvalue()
    assert ("training" in out.getvalue()) == is_terminal


def test_a_stage_forgets_the_total_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    out = StringIO()
    monkeypatch.setattr(shown, "STDERR", Console(file=out, force_terminal=True, width=100, highlight=False))
    with shown.progress_bar("job", "steps") as progress:
        progress.set_total(7)
        progress.advance(7)
        progress.describe("training")
    last = out.getvalue().rsplit("training", 1)[1]
    assert "7" not in last.split("--")[0].replace("\x1b[", "")
