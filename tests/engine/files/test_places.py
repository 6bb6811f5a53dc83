"""Which paths are one place, and what must not go to the same."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from maskinfer.engine.errors import OutputError, RequestError
from maskinfer.engine.files.atomic import atomic_write, check_writable
from maskinfer.engine.files.places import make_folder, place_of, refuse_media, refuse_overwriting


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/team.jpg").write_bytes(b"a picture")
    return tmp_path


def spellings(folder: Path) -> list[str]:
    """The same file by other names; each link leads there in its own way."""
    Path("link.jpg").symlink_to("photos/team.jpg")
    Path("album").symlink_to("photos")
    os.link("photos/team.jpg", "hard.jpg")
    return [
        "photos/../photos/./team.jpg",
        str(folder / "photos/team.jpg"),
        f"file://{folder}/photos/team.jpg",
        "link.jpg",
        "album/team.jpg",
        "hard.jpg",
    ]


def test_an_input_by_any_spelling_is_no_output(here: Path) -> None:
    for name in spellings(here):
        with pytest.raises(RequestError, match=r"team\.jpg.* and would be overwritten"):
            refuse_overwriting(["photos/team.jpg"], [name])
        if not name.startswith("file:"):
            with pytest.raises(RequestError, match="would be overwritten"):
                refuse_overwriting([name], ["photos/team.jpg"])


def test_two_outputs_by_any_spelling_are_one(here: Path) -> None:
    Path("dangling").symlink_to("new.jsonl")
    for one, other in (("new.jsonl", "photos/../new.jsonl"), ("new.jsonl", "dangling"), ("-", "-")):
        with pytest.raises(RequestError, match=r"two outputs would be written to .*name another"):
            refuse_overwriting([one, other], [])
    refuse_overwriting(["new.jsonl", "photos/new.jsonl", "/dev/null", "/dev/null", "no/such/a", "no/such/b"], [])


def test_a_folder_that_is_read_takes_no_outputs_and_one_place_is_no_file_and_folder() -> None:
    with pytest.raises(RequestError, match="would be overwritten"):
        refuse_overwriting([], ["photos"], folders=["./photos"])
    with pytest.raises(RequestError, match="two outputs"):
        refuse_overwriting(["q.jpg", "q.jpg"], [], folders=["crops"])
    refuse_overwriting(["photos/results.jsonl"], ["photos"], folders=["photos/crops"])


def test_what_a_stopped_job_is_called_replaces_no_input() -> None:
    Path("out.partial.mp4").touch()
    with pytest.raises(RequestError, match=r"out\.partial\.mp4 is in use"):
        refuse_overwriting(["out.mp4"], ["out.partial.mp4"], stoppable=["out.mp4"])
    with pytest.raises(RequestError, match="if the job is stopped"):
        refuse_overwriting(["a.mp4", "a.partial.mp4"], [], stoppable=["a.mp4", "a.partial.mp4"])


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="there is no /dev/fd")
def test_a_pipe_that_is_open_already_is_a_place_and_an_output() -> None:
    reader, writer = os.pipe()
    try:
        name = f"/dev/fd/{writer}"
        with pytest.raises(RequestError, match="two outputs"):
            refuse_overwriting([name, name], [])
        check_writable(Path(name))
        with atomic_write(Path(name)) as part:
            part.write_text("through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
        os.close(writer)


def test_a_folder_that_nothing_can_be_written_into(here: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "photos"], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here: it needs the rights of root")
    try:
        with pytest.raises(OutputError, match="nothing can be written into the folder photos"):
            make_folder(Path("photos"))
    finally:
        subprocess.run(["umount", "photos"], check=True)


def test_standard_output_is_the_file_it_leads_to(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with capfd.disabled():
        kept = os.dup(1)
        try:
            with (here / "shown.txt").open("w") as file:
                os.dup2(file.fileno(), 1)
                assert place_of("-") == place_of("shown.txt")
        finally:
            os.dup2(kept, 1)
            os.close(kept)


@pytest.mark.parametrize("name", ["a.jpg", "b.MP4", "c.heic", "mine.onnx"])
def test_text_goes_into_no_file_that_is_named_as_another_kind(name: str) -> None:
    with pytest.raises(RequestError, match="expected the name of a text file"):
        refuse_media([name])
    refuse_media(["-", "a.jsonl", "a.jpg.jsonl", "results", "/dev/stdout"])


def test_a_folder_where_a_file_is() -> None:
    make_folder(Path("new/and/deep"))
    for name in ("photos/team.jpg", "photos/team.jpg/crops"):
        with pytest.raises(OutputError, match=r"team\.jpg"):
            make_folder(Path(name))
