"""A real Ray cluster of three nodes: one is killed in the middle, one has no disk left, one file is no video."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from maskinfer.engine.results import BGRFrame
from tests.commands.test_run import check_error
from tests.commands.test_run import maskinfer as run_maskinfer
from tests.helpers.clips import IN_FRONT, cut, write_clip
from tests.helpers.ray_nodes import Nodes, ray_nodes
from tests.helpers.waiting import wait_until

pytest.importorskip("ray", reason="Ray is not installed: there is no cluster to be had")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nodes with addresses of their own need Linux")
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
    cut(write_clip(folder / "cut.mp4", [small] * 60, container_options=IN_FRONT), 0.8)
    (folder / "bad.mp4").write_bytes(b"no video at all")
    return folder


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with ray_nodes(tmp_path_factory.mktemp("ray"), 6500 + os.getpid() % 3000) as nodes:
        nodes.start_head()
        nodes.start("127.0.0.3")
        yield nodes


def command(archive: Path, out: Path, classifier: Path, *more: object) -> list[str]:
    written = ("-o", out / "video", "--jsonl", out / "jsonl", "--csv", out / "csv")
    models = ("--classifier", classifier, "--det-size", "160")
    return ["video", *map(str, (archive, *written, *models, *more))]


def begin(arguments: Sequence[str], nodes: Nodes) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "maskinfer", *arguments],
        env=nodes.environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.*l") if file.name != JOURNAL}


def noted(out: Path) -> list[str]:
    file = out / "video" / JOURNAL
    lines = file.read_text().splitlines() if file.exists() else []
    return [record["place"] for record in map(json.loads, lines) if "sizes" in record]


def errors(said: str) -> list[str]:
    return sorted(line for line in said.splitlines() if line.startswith("Error: "))


def test_a_node_is_killed_and_nothing_is_lost_or_different(
    archive: Path, nodes: Nodes, colour_classifier: Path, tmp_path: Path
) -> None:
    alone = run_maskinfer(*command(archive, tmp_path / "alone", colour_classifier))
    nodes.start("127.0.0.4")
    process = begin(
        command(archive, tmp_path / "many", colour_classifier, "--cluster", nodes.address, "--piece", "3"), nodes
    )
    wait_until(lambda: noted(tmp_path / "many") or process.poll() is not None, "a video", timeout_s=TIMEOUT_S)
    assert process.poll() is None
    assert nodes.kill("127.0.0.4") > 0
    nodes.start("127.0.0.4")
    _, said = process.communicate(timeout=TIMEOUT_S)

    assert process.returncode == alone.returncode == 1, said
    assert errors(said) == errors(alone.stderr)
    assert "bad.mp4 is not a video" in said
    assert "cut.mp4 ended early" in said
    assert contents(tmp_path / "many") == contents(tmp_path / "alone")
    assert len(contents(tmp_path / "many")) == 14
    places = noted(tmp_path / "many")
    assert sorted(places) == sorted(set(noted(tmp_path / "alone")))
    assert [path.name for path in (tmp_path / "many/video").rglob(".*")] == [JOURNAL]
    nodes.kill("127.0.0.4")

    # One machine goes on where the cluster was, and the other way round.
    again = run_maskinfer(*command(archive, tmp_path / "many", colour_classifier))
    assert "7 videos were done before" in again.stderr
    process = begin(command(archive, tmp_path / "alone", colour_classifier, "--cluster", nodes.address), nodes)
    _, said = process.communicate(timeout=TIMEOUT_S)
    assert "7 videos were done before" in said
    assert noted(tmp_path / "alone") == places or sorted(noted(tmp_path / "alone")) == sorted(places)


def test_a_full_disk_and_a_command_that_is_killed(
    archive: Path, nodes: Nodes, colour_classifier: Path, small_disk: Path, tmp_path: Path
) -> None:
    # Its own copies of what it writes do not fit; those of the other node do.
    nodes.start("127.0.0.5", environment={"TMPDIR": str(small_disk)})
    for file in small_disk.iterdir():
        file.unlink()
    (small_disk / "filling").write_bytes(b"\0" * 250_000)
    arguments = command(archive, tmp_path / "many", colour_classifier, "--cluster", nodes.address, "--piece", "3")
    process = begin(arguments, nodes)
    wait_until(lambda: len(noted(tmp_path / "many")) > 1 or process.poll() is not None, "two", timeout_s=TIMEOUT_S)
    process.kill()
    process.communicate()
    before = noted(tmp_path / "many")
    assert before
    process = begin(arguments, nodes)
    _, said = process.communicate(timeout=TIMEOUT_S)
    assert errors(said) == errors(run_maskinfer(*command(archive, tmp_path / "alone", colour_classifier)).stderr)
    assert contents(tmp_path / "many") == contents(tmp_path / "alone")
    after = noted(tmp_path / "many")
    assert after[: len(before)] == before
    assert len(after) == len(set(after)) == 7
    nodes.kill("127.0.0.5")


def test_what_is_refused(archive: Path, colour_classifier: Path, tmp_path: Path) -> None:
    arguments = command(archive, tmp_path / "out", colour_classifier)
    began_s = time.monotonic()
    check_error(
        run_maskinfer(*arguments, "--cluster", "127.0.0.1:9", RAY_gcs_rpc_server_connect_timeout_s="1"),
        1, "there is no Ray cluster at 127.0.0.1:9",
    )  # fmt: skip
    assert time.monotonic() > began_s
    check_error(run_maskinfer("video", "s3://a/b", "-o", "out"), 2, "--cluster local")
    webhook = ("--cluster", "local", "--webhook", "http://127.0.0.1:9/")
    check_error(run_maskinfer(*arguments, *webhook), 2, "told twice")
    one = run_maskinfer("video", archive / "0.mp4", "-o", tmp_path / "0.mp4", "--cluster", "local")
    check_error(one, 2, "name a folder for -o")
    check_error(run_maskinfer(*arguments, "--piece", "1m"), 2, "only with --cluster")
    check_error(run_maskinfer(*arguments, "--cluster", "local", "--threads", "2"), 2, "one core")
    hidden = run_maskinfer("video", "sftp://guard:hunter2@127.0.0.1:9/a", "-o", "out", "--cluster", "local")
    assert "hunter2" not in hidden.stderr + hidden.stdout
    assert hidden.returncode != 0
