from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from maskinfer.engine.errors import OutputError, SourceError
from maskinfer.engine.files.atomic import atomic_write


def test_appears_at_the_end_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    with atomic_write(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
        assert part.parent == tmp_path
        assert part.name.startswith(".")
        assert part.suffix == ".part"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, FileNotFoundError])
def test_leaves_nothing_when_the_block_raises(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")

    def write_half() -> None:
        with atomic_write(path) as part:
            part.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"there is no folder .*nowhere; create it first"),
        atomic_write(tmp_path / "nowhere" / "a"),
    ):
        pass


def test_a_file_as_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="there is no folder"), atomic_write(tmp_path / "file" / "a"):
        pass


def test_a_folder_as_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="it is a folder"), atomic_write(tmp_path):
        pass


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc to fail in")
def test_a_folder_that_takes_no_files_is_refused() -> None:
    with (
        pytest.raises(OutputError, match=r"cannot write /proc/self/a\.txt: .*can be written to"),
        atomic_write(Path("/proc/self/a.txt")),
    ):
        pass


def test_a_name_that_the_disk_refuses_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught, atomic_write(tmp_path / ("x" * 300)) as part:
        part.touch()
    assert str(caught.value).count("\n") == 0
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No space left"), atomic_write(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_errors_of_the_block_are_not_taken_for_the_files(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="the source is lost"), atomic_write(tmp_path / "a.txt"):
        raise SourceError("the source is lost")


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "out.txt"
    link = tmp_path / "out.txt"
    link.symlink_to(target)
    with atomic_write(link) as part:
        part.write_text("new")
    assert link.is_symlink()
    assert target.read_text() == "new"


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="there is no /dev/null")
def test_a_device_is_not_replaced() -> None:
    with atomic_write(Path("/dev/null")) as part:
        part.write_text("gone")
    assert Path("/dev/null").is_char_device()


def test_what_shows_people_is_for_its_owner_alone(tmp_path: Path) -> None:
    new, shared = tmp_path / "new.png", tmp_path / "shared.png"
    shared.touch()
    shared.chmod(0o644)
    for path in (new, shared):
        with atomic_write(path, shows_people=True) as part:
            part.write_bytes(b"x")
    assert [path.stat().st_mode & 0o777 for path in (new, shared)] == [0o600, 0o644]


@pytest.mark.parametrize(("name", "said"), [("x" * 300 + ".mp4", "too long"), ("a\0b.mp4", "another name")])
def test_a_name_that_cannot_be_is_told_before_the_work(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(OutputError, match=said), atomic_write(tmp_path / name):
        pytest.fail("the work has begun")
