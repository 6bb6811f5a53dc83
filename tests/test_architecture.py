"""Imports run one way between rooms, and every room is small enough to look through."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "maskinfer"
# Each room, from the door to the cellar, and the rooms it may import from besides those that all may. CONTRIBUTING.md
# shows the same table. A room is a folder, or a file that stands beside the folders.
VOCABULARY = {
    "engine.errors", "engine.results", "engine.contract", "engine.records", "engine.schema", "engine.decoders",
}  # fmt: skip
ARROWS: dict[str, set[str]] = {
    "__main__": {"cli"},
    "cli": {"commands"},
    "commands": {"console", "benchmark", "cluster", "control", "export", "site", "training", "engine"},
    "site.label": {"site", "control.web.guard", "engine"},
    "site": {"engine"},
    "cluster": {"engine"},
    "console": {"benchmark", "control", "export", "site", "training", "engine"},
    "benchmark": {"export", "training", "engine"},
    "control.room": {
        *("control.publish", "control.web", "control.workers", "control.watch", "control.room.state"),
        *("control.drift", "control.settings", "control.store", "site", "engine"),
    },
    "control.web": {
        *("control.web.api", "control.web.guard", "control.report", "control.room.state", "control.settings"),
        *("control.drift", "control.store", "engine"),
    },
    "control.web.api": {
        *("control.publish", "control.report", "control.room.state", "control.drift", "control.settings"),
        *("control.store", "engine"),
    },
    "control.web.guard": {"control.settings", "engine"},
    "control.workers": {"control.watch", "control.room.state", "control.settings", "control.store", "engine"},
    "control.watch": {"control.room.state", "control.settings", "control.store", "site", "engine"},
    "control.publish": {"control.room.state", "control.report", "control.settings", "control.store", "engine"},
    "control.room.state": {"control.settings", "control.store", "engine"},
    "control.archive": {"control.report", "engine"},
    "control.report": {"control.store", "control.drift", "engine"},
    "control.store": {"control.drift", "control.settings", "engine"},
    "control.drift": {"engine"},
    "control.settings": {"engine"},
    "export.adopt": {"export", "training", "engine"},
    "export.quantize": {"export", "training", "engine"},
    "export.verify": {"export", "training", "engine"},
    "export": {"training", "engine"},
    "training.detector": {"training.classifier", "training.data", "training", "engine"},
    "training.classifier": {"training.data", "training", "engine"},
    "training.evaluation": {"training.data", "engine"},
    "training.data": {"engine"},
    "training": {"engine"},
    "engine.drift": {"engine.frames"},
    "engine.jobs": {
        *(
            "engine.sinks",
            "engine.load",
            "engine.engine",
            "engine.faces",
            "engine.sources",
            "engine.catalog",
            "engine.runtime",
            "engine.tuned",
            "engine.visits",
        ),
        *("engine.frames", "engine.files", "engine.flow"),
    },
    "engine.tables": {"engine.visits", "engine.sinks", "engine.files", "engine.frames", "engine.flow"},
    "engine.visits": {"engine.sinks", "engine.faces", "engine.frames"},
    "engine.sinks": {"engine.engine", "engine.faces", "engine.sources", "engine.frames", "engine.files", "engine.flow"},
    "engine.check": {"engine.faces"},
    "engine.load": {
        *("engine.engine", "engine.faces", "engine.sources", "engine.tuned", "engine.presets", "engine.runtime"),
    },
    "engine.engine": {"engine.sharing", "engine.faces", "engine.sources", "engine.frames", "engine.flow"},
    "engine.sharing": {"engine.faces", "engine.flow"},
    "engine.faces": {"engine.catalog", "engine.presets", "engine.runtime", "engine.frames", "engine.flow"},
    "engine.tuned": {"engine.catalog", "engine.presets", "engine.runtime", "engine.files", "engine.flow"},
    "engine.sources": {"engine.frames", "engine.files", "engine.flow"},
    "engine.catalog": {"engine.runtime", "engine.files", "engine.flow"},
    "engine.runtime": {"engine.files"},
    "engine.frames": {"engine.files"},
    "engine.files": {"engine.flow"},
    "engine.flow": set(),
    "engine.results": {"engine.errors", "engine.records", "engine.schema"},
    "engine.contract": {"engine.errors", "engine.schema"},
    "engine.records": {"engine.schema"},
    "engine.schema": {"engine.decoders"},
    "engine.decoders": set(),
    "engine.intervals": set(),
    "engine.presets": set(),
    "engine.errors": set(),
}
MOST_FILES = 14


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts)


def room_of(module: str) -> str:
    """``engine.faces.boxes`` -> ``engine.faces``, ``export.metadata`` -> ``export``, ``console.job`` -> ``console``."""
    parts = module.split(".")
    candidates = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((name for name in candidates if name in ARROWS), module)


def imported(file: Path) -> set[str]:
    """The modules of ours that a file imports, at its top or inside its functions."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "maskinfer":
            base = (node.module or "").removeprefix("maskinfer").removeprefix(".")
            names = [".".join(filter(None, (base, alias.name))) for alias in node.names]
            found |= {name if is_module(name) else base for name in names}
        elif isinstance(node, ast.Import):
            found |= {a.name.removeprefix("maskinfer.") for a in node.names if a.name.startswith("maskinfer.")}
    return found - {""}


def is_module(name: str) -> bool:
    path = PACKAGE.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


def rooms_below(room: str) -> set[str]:
    """The rooms that a room may import from.

    A floor's name stands for all of its rooms, but in one of its own rooms for its loose files only.
    """
    below = set(ARROWS[room]) | (VOCABULARY if room not in VOCABULARY else set())
    floors = [name for name in ARROWS[room] if not room.startswith(f"{name}.")]
    below |= {inner for inner in ARROWS for name in floors if inner.startswith(f"{name}.")}
    return below & set(ARROWS)


def is_allowed(room: str, target: str) -> bool:
    return target == room or target in rooms_below(room)


FILES = sorted(file for file in PACKAGE.rglob("*.py") if file.name != "__init__.py")


def test_every_file_is_read() -> None:
    assert len(FILES) > 150
    assert {room_of(module_of(file)) for file in FILES} == set(ARROWS)


def test_imports_run_one_way() -> None:
    wrong = [
        f"{module_of(file)} -> {target}"
        for file in FILES
        for target in sorted(imported(file))
        if not is_allowed(room_of(module_of(file)), room_of(target))
    ]
    assert wrong == []


def test_the_table_itself_has_no_circle() -> None:
    done: set[str] = set()
    while len(done) < len(ARROWS):
        free = {room for room in ARROWS if room not in done and rooms_below(room) <= done}
        assert free, f"a circle among {sorted(set(ARROWS) - done)}"
        done |= free


def test_the_table_stands_in_contributing() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    missing = [room for room in ARROWS if room != "__main__" and f"`{room.replace('.', '/')}" not in text]
    assert missing == []


@pytest.mark.parametrize("folder", sorted({file.parent for file in FILES}), ids=lambda f: f.name)
def test_a_room_is_small_enough_to_look_through(folder: Path) -> None:
    assert len([file for file in folder.glob("*.py") if file.name != "__init__.py"]) <= MOST_FILES


def test_a_wrong_import_would_be_seen(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text("def f():\n    from maskinfer.engine.jobs import video\n    import maskinfer.cli\n")
    assert imported(file) == {"engine.jobs.video", "cli"}
    assert not is_allowed("engine.faces", room_of("engine.jobs.video"))
    assert not is_allowed("training.data", room_of("training.evaluation.metrics"))
    assert not is_allowed("training.classifier", room_of("training.detector.model"))
