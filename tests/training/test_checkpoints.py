"""Checkpoints and states of trainings are whole, whenever their writing is cut."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

pytestmark = pytest.mark.train

# The system kills a process whose file grows over the limit in the midst of that very write.
WRITE_TWICE = """
import os, resource, signal, sys
from dataclasses import replace
from pathlib import Path
from maskinfer.training.classifier import checkpoint, loop
from maskinfer.training.classifier.network import build
from maskinfer.training.classifier.recipe import load_recipe
from maskinfer.training.detector import checkpoint as detector_checkpoint, state
from maskinfer.training.detector.model import RetinaFace
from maskinfer.training.detector.recipe import load_detector_recipe
from maskinfer.training.state import save_state

kind, file = sys.argv[1], Path(sys.argv[2])
recipe, detector_recipe = load_recipe("small"), load_detector_recipe("detector")
model = build(replace(recipe.network, weights="none"), 3)
writers = {
    "classifier": lambda: checkpoint.save_checkpoint(file, recipe, model.state_dict(), ()),
    "classifier_progress": lambda: save_state(loop.begin(model, 64, recipe.schedule), file),
    "detector": lambda: detector_checkpoint.save_checkpoint(file, detector_recipe, RetinaFace(), ()),
    "detector_progress": lambda: save_state(state.begin(RetinaFace(), detector_recipe), file),
}
writers[kind]()
print(file.stat().st_size, flush=True)
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
writers[kind]()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
@pytest.mark.parametrize("kind", ["classifier", "classifier_progress", "detector", "detector_progress"])
def test_a_write_that_is_killed_leaves_the_earlier_file(kind: str, tmp_path: Path) -> None:
    import torch

    file = tmp_path / "state.pt"
    done = subprocess.run([sys.executable, "-c", WRITE_TWICE, kind, str(file)], capture_output=True, text=True)
    assert done.returncode == -signal.SIGXFSZ, done.stderr
    assert file.stat().st_size == int(done.stdout) > 100_000
    assert torch.load(file, weights_only=True)
