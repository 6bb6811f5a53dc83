"""Files by path or URL: through fsspec's own memory, and through a real S3 door where moto is installed."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from maskinfer.cluster.attempt import record_name
from maskinfer.cluster.places import Planned, Roots, plan
from maskinfer.cluster.run import Ledger, fetched_journal
from maskinfer.cluster.storage import (
    below,
    fetch,
    files_below,
    matching,
    names_in,
    publish,
    publish_text,
    read_bytes,
    remove,
    shown,
    without_secrets,
)
from maskinfer.engine.errors import OutputError, RequestError, SourceError, SourceNotFoundError
from maskinfer.engine.jobs.journal import JobSettings, Journal
from maskinfer.engine.jobs.summary import JobSummary
from maskinfer.engine.sinks.copies.encoding import PLAIN_ENCODING
from maskinfer.engine.sinks.outputs import Outputs
from tests.helpers.waiting import wait_until

pytest.importorskip("fsspec")
SECRETS = {
    "sftp://guard:hun/ter2@files.local/archive": "sftp://***",
    "sftp://guard:hunter2@files.local:22/archive/2026-11-26T10-00-00.mp4": (
        "sftp://files.local:22/archive/2026-11-26T10-00-00.mp4"
    ),
    "s3://cameras/2026/a-name-that-is-longer-than-a-token.mp4?versionId=9f3a": (
        "s3://cameras/2026/a-name-that-is-longer-than-a-token.mp4"
    ),
    "https://files.local/eyJhbGciOiJIUzI1NiJ9abc/a.mp4": "https://files.local/***/a.mp4",
}


@pytest.mark.parametrize("place", SECRETS)
def test_nothing_secret_is_shown(place: str) -> None:
    assert shown(place) == SECRETS[place]
    for secret in ("hunter2", "hun/ter2", "9f3a"):
        if secret in place:
            assert secret not in without_secrets(f"could not open {place}: {secret} was refused", place)


@pytest.fixture
def folder() -> str:
    return f"memory://{uuid4().hex}"


def test_a_file_comes_and_goes_whole(folder: str, tmp_path: Path) -> None:
    source = tmp_path / "a.bin"
    source.write_bytes(bytes(range(256)) * 9000)
    ticks: list[int] = []
    publish(source, below(folder, "in/a.bin"), lambda: ticks.append(1))
    publish(source, below(folder, "in/a.bin"), lambda: ticks.append(1))  # replaces
    publish_text("hello", below(folder, "b.txt"))
    assert files_below(folder) == {"b.txt": 5, "in/a.bin": source.stat().st_size}
    assert names_in(folder) == ["b.txt"]
    fetch(below(folder, "in/a.bin"), tmp_path / "copy", lambda: ticks.append(1))
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    assert len(ticks) >= 9
    assert read_bytes(below(folder, "b.txt")) == b"hello"
    remove(below(folder, "b.txt"))
    remove(below(folder, "b.txt"))
    assert read_bytes(below(folder, "b.txt")) is None
    with pytest.raises(SourceNotFoundError, match=r"there is no file memory://.*/none"):
        fetch(below(folder, "none"), tmp_path / "none", lambda: None)


def test_paths_are_places_too(tmp_path: Path) -> None:
    source = tmp_path / "a.txt"
    source.write_text("here")
    publish(source, str(tmp_path / "new" / "b.txt"), lambda: None)
    publish_text("there", str(tmp_path / "new" / "c.txt"))
    assert names_in(str(tmp_path / "new")) == ["b.txt", "c.txt"]
    assert read_bytes(str(tmp_path / "new" / "b.txt")) == b"here"
    assert read_bytes(str(tmp_path / "none" / "b.txt")) is None
    with pytest.raises(OutputError, match="is a file, expected a folder"):
        publish(source, str(tmp_path / "a.txt" / "b.txt"), lambda: None)


def test_errors_are_ours_and_say_no_secret(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"^nothing:// cannot be used here: fsspec does not know it"):
        files_below("nothing://guard:hunter2@host/a")
    with pytest.raises(SourceError) as caught:
        files_below("ftp://guard:hunter2@127.0.0.1:9/a")
    assert "hunter2" not in str(caught.value)
    assert "ftp://127.0.0.1:9/a cannot be listed" in str(caught.value)
    assert caught.value.__cause__ is None


def test_videos_at_urls_are_planned(folder: str, tmp_path: Path) -> None:
    for name in ("a.mp4", "monday/b.avi", "notes.txt", "out/a.mp4"):
        publish_text("x" * len(name), below(folder, f"archive/{name}"))
    roots = Roots.of(f"{folder}/archive/out", Outputs(jsonl=f"{folder}/results"), tmp_path)
    planned = plan([f"{folder}/archive"], roots, Outputs(jsonl=f"{folder}/results"), PLAIN_ENCODING, print)
    assert [(one.task.shown_as, one.size) for one in planned] == [
        (f"{folder}/archive/monday/b.avi", 12), (f"{folder}/archive/a.mp4", 5)
    ]  # fmt: skip
    assert [file.place for file in roots.files(planned[0].task)] == [
        f"{folder}/archive/out/monday/b.avi.mp4", f"{folder}/results/monday/b.avi.jsonl"
    ]  # fmt: skip
    assert roots.size_of(planned[1].task.out) == len("out/a.mp4")
    with pytest.raises(RequestError, match="is an input and would be overwritten"):
        plan(
            [f"{folder}/archive"], Roots.of(f"{folder}/archive", Outputs(), tmp_path), Outputs(), PLAIN_ENCODING, print
        )
    with pytest.raises(SourceNotFoundError, match="holds no video"):
        plan([f"{folder}/results"], roots, Outputs(), PLAIN_ENCODING, print)


def test_what_is_done_at_a_url_is_known_after_the_command_was_killed(folder: str, tmp_path: Path) -> None:
    out, settings = f"{folder}/out", JobSettings({}, "settings")

    def ledger(name: str) -> tuple[Ledger, list[Planned]]:
        roots = Roots.of(out, Outputs(), tmp_path / name)
        roots.make()
        return (
            Ledger(roots, out, Journal(fetched_journal(roots, out), settings, roots.size_of)),
            plan([f"{folder}/archive"], roots, Outputs(), PLAIN_ENCODING, print),
        )

    for name in ("a.mp4", "b.mp4"):
        publish_text("video", f"{folder}/archive/{name}")
        publish_text("drawn", f"{out}/{name}")
    killed, planned = ledger("killed")
    for one in planned:
        entry = killed.journal.entry(one.task)
        line = entry.done(f"key of {entry.place}", {entry.place: 5}, JobSummary(frames=3, problems=["odd"]))
        publish_text(json.dumps(line), f"{out}/.maskinfer-done/{record_name(entry.place)}")
        if entry.place == "a.mp4":
            assert killed.take(one.task, line) is None  # and the other one nobody has heard of
    assert read_bytes(f"{out}/.maskinfer-done.jsonl") is None

    again, planned = ledger("again")
    again.adopt_left()
    again.refuse_replacing([one.task for one in planned])
    assert [again.journal.done_as(one.task) for one in planned] == ["key of a.mp4", "key of b.mp4"]
    assert again.journal.problems_of("key of b.mp4", planned[1].task) == ["odd"]
    again.close()
    assert sorted(files_below(out)) == [".maskinfer-done.jsonl", "a.mp4", "b.mp4"]
    third, planned = ledger("third")
    assert [third.journal.done_as(one.task) for one in planned] == ["key of a.mp4", "key of b.mp4"]
    other, planned = ledger("other")
    publish_text("of somebody else", f"{out}/a.mp4")
    with pytest.raises(RequestError, match=r"1 file would be replaced \(memory://.*/out/a\.mp4\)"):
        other.refuse_replacing([one.task for one in planned])


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A bucket of moto's server."""
    for package in ("s3fs", "moto", "flask_cors"):
        pytest.importorskip(package, reason=f"{package} is not installed: there is no S3 door to knock at")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "guard")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
        try:
            yield _bucket()
        finally:
            server.terminate()
            server.wait()


def _bucket() -> str:
    import s3fs

    def make() -> bool:
        try:
            s3fs.S3FileSystem(skip_instance_cache=True).mkdir("cameras")
        except Exception:  # botocore's own
            return False
        return True

    wait_until(make, "the S3 door")
    return "s3://cameras"


def test_a_real_s3_door(s3: str, tmp_path: Path) -> None:
    source = tmp_path / "a.bin"
    source.write_bytes(bytes(range(256)) * 80_000)  # in several parts
    publish(source, f"{s3}/in/a.mp4", lambda: None)
    publish_text("x", f"{s3}/in/monday/b.avi")
    assert files_below(f"{s3}/in") == {"a.mp4": source.stat().st_size, "monday/b.avi": 1}
    assert matching(f"{s3}/in/*.mp4") == [f"{s3}/in/a.mp4"]
    fetch(f"{s3}/in/a.mp4", tmp_path / "copy", lambda: None)
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    assert read_bytes(f"{s3}/in/none") is None
    with pytest.raises(SourceNotFoundError):
        fetch(f"{s3}/in/none", tmp_path / "none", lambda: None)
