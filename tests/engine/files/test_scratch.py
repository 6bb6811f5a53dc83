"""Folders for temporary files: those of killed processes are removed, those of living ones are not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from maskinfer.engine.files.parts import make_locked
from maskinfer.engine.files.scratch import scratch_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nobody can tell there whose process lives")
HOLD = """
import sys
from maskinfer.engine.files.scratch import scratch_folder
with scratch_folder(*sys.argv[1:]) as folder:
    (folder / "big").write_bytes(b"0" * 100)
    print(folder, flush=True)
    sys.stdin.read()
"""


def holder(place: Path, *purpose: str) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that has a folder until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, *purpose],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(place)},
    )  # fmt: skip
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str]) -> None:
    process.communicate()
    assert process.returncode == 0


def test_what_killed_processes_left_is_removed_by_the_next(tmp_path: Path) -> None:
    killed = [holder(tmp_path, *purpose) for purpose in ((), ("models",), ("ray",))]
    living, held = holder(tmp_path, "models")
    for process, folder in killed:
        assert (folder / "big").exists()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert (folder / "big").exists()
    others = tmp_path / "maskinfer-report-01234567"  # without a lock nobody can tell whose it is
    others.mkdir()
    aside = tmp_path / "aside"
    aside.mkdir()
    make_locked(aside / ".maskinfer-lock", 0o600)()
    (tmp_path / "maskinfer-models-aaaaaaaa").symlink_to(aside)
    following, own = holder(tmp_path)
    assert own.parent == tmp_path
    assert [folder.exists() for _, folder in killed] == [False, False, False]
    assert (held / "big").exists()
    assert others.exists()
    assert list(aside.iterdir())
    end(following)
    end(living)
    assert not own.exists()
    assert not held.exists()


def test_a_folder_vanishes_with_its_block(tmp_path: Path) -> None:
    def fail() -> None:
        with scratch_folder("report", str(tmp_path)) as folder:
            (folder / "inner").mkdir()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []
