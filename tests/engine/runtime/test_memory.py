"""A model that wants more memory than there is ends with one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from maskinfer.engine.contract import ClassifierContract
from maskinfer.engine.errors import ModelError
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.results import LABELS
from maskinfer.engine.runtime.memory import available_bytes
from maskinfer.export.adopt.graph import run_once
from tests.helpers.graphs import save_greedy_classifier

CONTRACT = ClassifierContract(name="greedy", version="1", licence="MIT", labels=LABELS, size_wh=(16, 16))
LIMIT_REACHED = "Available memory of .* is smaller than requested bytes of 4000000000000"


@pytest.fixture
def greedy(tmp_path: Path) -> Path:
    return save_greedy_classifier(tmp_path / "greedy.onnx", CONTRACT)


def test_a_greedy_model_is_refused_by_the_limit(greedy: Path) -> None:
    classifier = load_classifier(str(greedy))
    with pytest.raises(ModelError, match=rf"greedy.* fails when it is run: .*{LIMIT_REACHED}"):
        classifier(np.zeros((1, 16, 16, 3), np.uint8))
    with pytest.raises(ModelError, match=LIMIT_REACHED):
        run_once(onnx.load(greedy), np.zeros((1, 16, 16, 3), np.uint8))


def test_a_command_tells_it_in_one_line(greedy: Path, portrait_jpg: Path) -> None:
    command = [sys.executable, "-m", "maskinfer", "image", str(portrait_jpg), "--classifier", str(greedy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: the model greedy fails when it is run: ")
    assert done.returncode == ModelError.exit_code


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 2048 * 1024),
        ({"memory.max": "max\n"}, 2048 * 1024),
        ({"memory.max": "1000000\n"}, 1_000_000),
        ({"memory/memory.limit_in_bytes": "1500000\n"}, 1_500_000),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 2048 * 1024),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_what_a_process_may_take(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  4096 kB\nMemAvailable:  2048 kB\n")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert available_bytes(tmp_path, tmp_path) == expected


_LARGE_BATCH = """
import sys
from pathlib import Path
import numpy as np
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.faces.detector import load_detector
def anonymous_mb():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024
if sys.argv[1] == "detector":
    look, few, many = load_detector(provider="cpu", threads=1), np.zeros((2, 480, 640, 3), np.uint8), 16
else:
    classifier = load_classifier(provider="cpu", threads=1)
    look, few, many = classifier, np.zeros((8, *classifier.size_wh, 3), np.uint8), 8
for _ in range(3):
    look(few)
before = anonymous_mb()
look(np.concatenate([few] * many))
print(anonymous_mb() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says it so")
@pytest.mark.parametrize("task", ["detector", "classifier"])
def test_many_at_once_take_hardly_more_memory_for_good(task: str) -> None:
    """onnxruntime keeps what the largest batch took: frames of all cameras that come together once must not cost it."""
    done = subprocess.run([sys.executable, "-c", _LARGE_BATCH, task], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 20
