"""The examples, and the Python in README and documentation, do what they say."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from itertools import islice
from pathlib import Path

import cv2
import pytest

from maskinfer import open_source
from tests.conftest import ROOT
from tests.helpers.clips import write_clip

SAMPLE = ROOT / "samples" / "demo.mp4"
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
WRITTEN = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
PAGES = [page for page in WRITTEN if "```python" in page.read_text("utf-8")]
# A block is run unless an HTML comment before it says why not: <!-- not run: needs a camera -->
BLOCK = re.compile(r"(?:<!--\s*not run:(?P<reason>[^>]*)-->\s*)?^```python\n(?P<code>.*?)^```", re.M | re.S)
OPTIONAL = ("pandas", "supervision", "PIL")


def run_python(arguments: list[str], folder: Path) -> str:
    command = [sys.executable, "-W", "error", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def need_optional(code: str) -> None:
    for name in OPTIONAL:
        if name.lower() in code.lower():
            pytest.importorskip(name)


@pytest.fixture(scope="module")
def short_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first two seconds of the demo clip: a bare face."""
    with open_source(SAMPLE) as frames:
        pixels = [frame.picture.bgr for frame in islice(frames, 50)]
    return write_clip(tmp_path_factory.mktemp("clip") / "entrance.mp4", pixels, rate=25)


def run_example(name: str, clip: Path, folder: Path) -> str:
    script = ROOT / "examples" / f"{name}.py"
    need_optional(script.read_text("utf-8"))
    return run_python([str(script), str(clip)], folder)


def test_every_example_is_described_and_run() -> None:
    described = (ROOT / "examples" / "README.md").read_text("utf-8")
    assert len(EXAMPLES) == 5
    assert [file.name for file in EXAMPLES if f"({file.name})" not in described] == []
    tests = Path(__file__).read_text("utf-8")
    assert [file.name for file in EXAMPLES if f'run_example("{file.stem}"' not in tests] == []


def test_own_drawing(short_clip: Path, tmp_path: Path) -> None:
    assert run_example("own_drawing", short_clip, tmp_path) == "2 pictures are in drawn\n"
    drawn = cv2.imread(str(tmp_path / "drawn" / "00.jpg"))
    assert drawn is not None
    with open_source(short_clip) as frames:
        assert cv2.absdiff(drawn, next(iter(frames)).picture.bgr).max() > 100


def test_batches_to_pandas(short_clip: Path, tmp_path: Path) -> None:
    printed = run_example("batches_to_pandas", short_clip, tmp_path)
    assert "without_mask" in printed
    assert len((tmp_path / "faces.csv").read_text("utf-8").splitlines()) == 1 + 10


def test_own_classifier(short_clip: Path, tmp_path: Path) -> None:
    lines = run_example("own_classifier", short_clip, tmp_path).splitlines()
    assert {line.split(":")[0] for line in lines} <= {"covered", "bare"}
    assert sum(int(line.split()[1]) for line in lines) == 50


def test_own_sink(short_clip: Path, tmp_path: Path) -> None:
    assert "without_mask" in run_example("own_sink", short_clip, tmp_path)
    database = sqlite3.connect(tmp_path / "faces.sqlite")
    assert database.execute("SELECT count(*), max(time_s) FROM faces").fetchone() == (50, pytest.approx(49 / 25))
    database.close()


def test_count_per_minute(short_clip: Path, tmp_path: Path) -> None:
    assert "minute 0: without_mask 1\n" in run_example("count_per_minute", short_clip, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_python_of_a_page_runs(page: Path, short_clip: Path, tmp_path: Path) -> None:
    """All blocks of a page run one after the other, in a folder that holds the files which they name."""
    blocks = list(BLOCK.finditer(page.read_text("utf-8")))
    assert len(blocks) == page.read_text("utf-8").count("```python")
    assert [block["code"] for block in blocks if block["reason"] is not None and not block["reason"].strip()] == []
    code = "".join(block["code"] for block in blocks if block["reason"] is None)
    need_optional(code)
    shutil.copy(short_clip, tmp_path / "entrance.mp4")
    with open_source(short_clip) as frames:
        cv2.imwrite(str(tmp_path / "team.jpg"), next(iter(frames)).picture.bgr)
    run_python(["-c", code], tmp_path)


def test_examples_and_pages_use_the_public_names_only() -> None:
    private = re.compile(r"(?:from|import)\s+maskinfer\.")
    texts = {file: file.read_text("utf-8") for file in EXAMPLES}
    texts |= {page: "".join(block["code"] for block in BLOCK.finditer(page.read_text("utf-8"))) for page in PAGES}
    assert PAGES
    assert [file.name for file, text in texts.items() if private.search(text)] == []
