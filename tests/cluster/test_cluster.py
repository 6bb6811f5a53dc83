"""A real Ray cluster of three nodes: one is killed in the middle, one has no disk left, one file is no video."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from maskinfer.engine.results import BGRFrame
from tests.commands.test_run import check_error
from tests.commands.test_run import maskinfer as run_maskinfer
from tests.helpers.clips import IN_FRONT, cut, write_clip
from tests.helpers.ray_nodes import Nodes, ray_nodes
from tests.helpers.waiting import wait_until

pytest.importorskip("ray", reason="Ray is not installed: there is no cluster to be had")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="nodes with addresses of their own need Linux"),
    # The nodes' addresses are the machine's: of tests side by side one process alone has a cluster.
    pytest.mark.xdist_group("cluster"),
]
JOURNAL = ".maskinfer-done.jsonl"
TIMEOUT_S = 600


@pytest.fixture(scope="module")
def archive(portrait: BGRFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cluster") / "archive"
    (folder / "monday").mkdir(parents=True)
    small = portrait[::2, ::2].copy()
    write_clip(folder / "long.mkv", [small] * 250, options={"g": "25"})
    for i in range(4):
        write_clip(folder / f"{i}.mp4", [small] * 20, container_options=IN_FRONT)
    write_clip(folder / "monday/a.avi", [small] * 20, codec="mjpeg", pix_fmt="yuvj420p")
    cut(write_clip(folder / "cut.mp4", 60, container_options=IN_FRONT), 0.8)
    (folder / "bad.mp4").write_bytes(b"no video at all")
    return folder


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    # A folder with a short name: those of Ray's sockets may have 107 letters in all.
    with (
        TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder,
        ray_nodes(Path(folder), 6500 + os.getpid() % 3000) as nodes,
    ):
        nodes.start_head()
        nodes.start("127.0.0.3")
        yield nodes


def command(archive: Path, out: Path, classifier: Path, *more: object) -> list[str]:
    written = ("-o", out / "video", "--jsonl", out / "jsonl", "--csv", out / "csv")
    models = ("--classifier", classifier, "--det-size", "160")
    return ["video", *map(str, (archive, *written, *models, *more))]


@contextmanager
def begun(arguments: Sequence[str], nodes: Nodes) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "error", "-m", "maskinfer", *arguments]
    with subprocess.Popen(command, env=nodes.environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.suffix in (".jsonl", ".csv") and file.name != JOURNAL)
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def noted(out: Path) -> list[str]:
    file = out / "video" / JOURNAL
    lines = file.read_text().splitlines() if file.exists() else []
    return [record["place"] for record in map(json.loads, lines) if "sizes" in record]


def errors(said: str) -> list[str]:
    return sorted(line for line in said.splitlines() if line.startswith("Error: "))


@pytest.fixture(scope="module")
def alone(
    archive: Path, colour_classifier: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """What one machine gives."""
    out = tmp_path_factory.mktemp("alone")
    return out, run_maskinfer(*command(archive, out, colour_classifier))


def test_a_node_is_killed_and_nothing_is_lost_or_different(
    archive: Path,
    nodes: Nodes,
    alone: tuple[Path, subprocess.CompletedProcess[str]],
    colour_classifier: Path,
    tmp_path: Path,
) -> None:
    nodes.start("127.0.0.4")
    arguments = command(archive, tmp_path, colour_classifier, "--cluster", nodes.address, "--piece", "3")
    with begun(arguments, nodes) as process:
        wait_until(lambda: noted(tmp_path) or process.poll() is not None, "a video", timeout_s=TIMEOUT_S)
        assert process.poll() is None
        assert nodes.kill("127.0.0.4") > 0
        nodes.start("127.0.0.4")
        _, said = process.communicate(timeout=TIMEOUT_S)
    nodes.kill("127.0.0.4")
    assert process.returncode == alone[1].returncode == 1, said
    assert errors(said) == errors(alone[1].stderr)
    assert "bad.mp4 is not a video" in said
    assert "cut.mp4 ended early" in said
    assert contents(tmp_path) == contents(alone[0])
    assert len(contents(tmp_path)) == 14
    assert sorted(noted(tmp_path)) == sorted(noted(alone[0]))
    assert [path.name for path in (tmp_path / "video").rglob(".*")] == [JOURNAL]
    # One machine goes on where the cluster was.
    assert "Exception" not in said
    assert "7 videos were done before" in run_maskinfer(*command(archive, tmp_path, colour_classifier)).stderr


def test_a_disk_is_full_and_the_command_is_killed(
    archive: Path,
    nodes: Nodes,
    alone: tuple[Path, subprocess.CompletedProcess[str]],
    colour_classifier: Path,
    small_disk: Path,
    tmp_path: Path,
) -> None:
    # What this node writes does not fit; what the other one writes does.
    nodes.start("127.0.0.5", environment={"TMPDIR": str(small_disk)})
    (small_disk / "filling").write_bytes(b"\0" * 200_000)
    arguments = command(archive, tmp_path, colour_classifier, "--cluster", nodes.address, "--piece", "3")
    with begun(arguments, nodes) as process:
        wait_until(lambda: len(noted(tmp_path)) > 1 or process.poll() is not None, "two videos", timeout_s=TIMEOUT_S)
    before = noted(tmp_path)
    assert before
    with begun(arguments, nodes) as process:
        _, said = process.communicate(timeout=TIMEOUT_S)
    nodes.kill("127.0.0.5")
    assert errors(said) == errors(alone[1].stderr)
    assert contents(tmp_path) == contents(alone[0])
    after = noted(tmp_path)
    assert after[: len(before)] == before
    assert len(after) == len(set(after)) == 7


def test_what_is_refused(archive: Path, colour_classifier: Path, tmp_path: Path) -> None:
    arguments = command(archive, tmp_path / "out", colour_classifier)
    check_error(
        run_maskinfer(*arguments, "--cluster", "127.0.0.1:9"),
        2, "there is no Ray cluster at 127.0.0.1:9", "Connection refused",
    )  # fmt: skip
    check_error(run_maskinfer("video", "s3://a/b", "-o", tmp_path / "o"), 2, "--cluster local")
    webhook = ("--cluster", "local", "--webhook", "http://127.0.0.1:9/")
    check_error(run_maskinfer(*arguments, *webhook), 2, "told twice")
    one = run_maskinfer("video", archive / "0.mp4", "-o", tmp_path / "0.mp4", "--cluster", "local")
    check_error(one, 2, "name a folder for -o")
    check_error(run_maskinfer(*arguments, "--piece", "1m"), 2, "only with --cluster")
    hidden = run_maskinfer("video", "sftp://guard:hunter2@127.0.0.1:9/a", "-o", tmp_path / "o", "--cluster", "local")
    assert "hunter2" not in hidden.stderr + hidden.stdout
    assert hidden.returncode != 0
