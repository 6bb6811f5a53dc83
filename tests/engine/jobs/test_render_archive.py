"""Folders drawn again: options kept and changed, scenes by label, encoders, and what is done is left out."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from maskinfer.commands.groups.drawing import ENCODER_NAMES
from maskinfer.engine.errors import RequestError
from maskinfer.engine.frames.annotate import Style
from maskinfer.engine.frames.look import Look
from maskinfer.engine.jobs.journal import JOURNAL, last_settings
from maskinfer.engine.jobs.render import run_render, run_renders
from maskinfer.engine.jobs.scenes import Kept
from maskinfer.engine.results import BGRFrame
from maskinfer.engine.sinks.copies.encoding import ENCODERS, Encoding
from tests.commands.test_run import check_error, maskinfer
from tests.helpers.archives import RATE, save_results, save_videos
from tests.helpers.clips import facts

NAMES = ("a.mp4", "hall/b.mkv")
GREEN = (115, 158, 0)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("render")
    save_videos(folder / "videos", save_results(folder / "results", NAMES, seconds=24))
    return folder


def frames(path: Path) -> list[BGRFrame]:
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in container.decode(video=0)]


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_folder_is_drawn_and_what_is_done_is_left_out(archive: Path, tmp_path: Path) -> None:
    out, videos = tmp_path / "out", str(archive / "videos")
    first = run_renders([videos], archive / "results", out, style=Style(), jobs=2)
    assert (first.frames, first.problems) == (2 * 24 * RATE, [])
    assert files(out) == [JOURNAL, "a.mp4", "hall/b.mkv"]
    assert len(frames(out / "a.mp4")) == 24 * RATE
    assert run_renders([videos], archive / "results", out, style=Style()).skipped == 2
    with pytest.raises(RequestError, match=r"made with style\.boxes true, now false"):
        run_renders([videos], archive / "results", out, style=Style(boxes=False))
    assert (
        run_renders([videos], archive / "results", out, style=Style(boxes=False), overwrite=True).frames == first.frames
    )
    (out / "a.mp4").unlink()
    assert run_renders([videos], archive / "results", out, style=Style(boxes=False)).skipped == 1


def test_other_results_are_drawn_again_and_missing_ones_told(archive: Path, tmp_path: Path) -> None:
    results, out, videos = tmp_path / "results", tmp_path / "out", str(archive / "videos")
    save_results(results, NAMES[:1], seconds=24)
    summary = run_renders([videos], results, out, style=Style())
    assert summary.frames == 24 * RATE
    assert "there are no results of it in" in summary.problems[0]
    lines = (results / "a.mp4.jsonl").read_text().splitlines()
    (results / "a.mp4.jsonl").write_text("".join(f"{line}\n" for line in lines[:-1]))
    again = run_renders([videos], results, out, style=Style())
    assert again.frames == 24 * RATE - 1
    assert any("ends after 119 frames" in problem for problem in again.problems)


def test_options_are_kept_and_others_changed(archive: Path, tmp_path: Path) -> None:
    job = ("render", archive / "videos", archive / "results")
    done = maskinfer(
        *job, "-o", tmp_path / "one", "--label-colour", "with_mask=#ff00ff", "--label-words", "with_mask=mit Maske",
        "--clock", "--clock-start", "2026-11-25T08:00", "--blur-except", "with_mask", "--blur-as", "solid",
        "--quality", "10",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = maskinfer(
        *job, "-o", tmp_path / "two", "--like", tmp_path / "one", "--no-counts", "--blur", "uncertain", "--line", "2"
    )
    assert done.returncode == 0, done.stderr
    one, two = (dict(last_settings(tmp_path / name)) for name in ("one", "two"))
    changed = {name: (one[name], two[name]) for name in one if one[name] != two[name]}
    look = one["style.look"]
    assert changed == {
        "style.counts": (True, False),
        "style.blur_labels": ([], ["uncertain"]),
        "style.blur_except": (["with_mask"], []),
        "style.look": (look, {**look, "line": 2.0}),
    }
    assert (two["style.blur_solid"], two["encoding.quality"]) == (True, 10)
    assert look["clock_start"].startswith("2026-11-25T08:00")
    check_error(maskinfer(*job, "-o", tmp_path / "three", "--like", archive), 2, "no job wrote into")


def test_scenes_of_a_label(archive: Path, tmp_path: Path) -> None:
    results, out = archive / "results/a.mp4.jsonl", tmp_path / "out.mp4"
    kept = Kept(labels=("without_mask",), before_s=0.4, after_s=0.6)
    spans = kept.spans(results)
    assert spans == sorted(spans)
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    for low, high in spans:  # something is to be seen in each
        inside = [line for line in lines if low + 0.4 <= line["time_s"] <= high - 0.6]
        assert all(any(face["label"] == "without_mask" for face in line["faces"]) for line in inside[4:-4])
    summary = run_render(str(archive / "videos/a.mp4"), results, out, style=Style(), kept=kept)
    expected = [line for line in lines if any(low - 1e-6 <= line["time_s"] <= high + 1e-6 for low, high in spans)]
    assert 0 < summary.frames == len(expected) < len(lines)
    times = facts(out).times
    assert times == [Fraction(i, RATE) for i in range(len(expected))]
    with pytest.raises(RequestError, match="holds nobody with other"):
        run_render(str(archive / "videos/a.mp4"), results, out, style=Style(), kept=replace(kept, labels=("other",)))
    with pytest.raises(RequestError, match="an overlay shows the whole video"):
        run_render(
            str(archive / "videos/a.mp4"),
            results,
            out.with_suffix(".mkv"),
            style=Style(),
            kept=kept,
            encoding=Encoding("copy"),
        )


def test_events_of_a_label(archive: Path) -> None:
    results = archive / "results/a.mp4.jsonl"
    some, few = (
        Kept(around_events_s=0.1, labels=labels).spans(results) for labels in ((), ("incorrect_mask", "without_mask"))
    )
    assert 0 < len(few) < len(some)


def test_labels_that_are_misspelled_leave_nobody_clear(archive: Path, tmp_path: Path) -> None:
    results, out = archive / "results/a.mp4.jsonl", tmp_path / "out.mp4"
    for style in (Style(blur_faces=True, blur_labels=("witout_mask",)), Style(look=Look(counted=("x",)))):
        with pytest.raises(RequestError, match="there is no label"):
            run_render(str(archive / "videos/a.mp4"), results, out, style=style)
    done = maskinfer("render", archive / "videos/a.mp4", results, "-o", out, "--blur-faces", "--blur", "with_mask")
    assert "choose one of --blur-faces, --blur and --blur-except" in done.stderr
    done = maskinfer("render", archive / "videos/a.mp4", results, "-o", out, "--label-colour", "with_mask=red")
    assert "expected #rrggbb" in done.stderr
    assert not out.exists()


def test_a_folder_of_overlays_in_another_look(archive: Path, tmp_path: Path) -> None:
    style = Style(look=Look(words=(("with_mask", "mit Maske"),), clock=True))
    run_renders(
        [str(archive / "videos")], archive / "results", tmp_path / "out", style=style, encoding=Encoding("copy")
    )
    assert files(tmp_path / "out") == [
        JOURNAL, "a.mp4.ass", "a.mp4.mkv", "a.mp4.vtt", "hall/b.ass", "hall/b.mkv", "hall/b.vtt",
    ]  # fmt: skip
    text = (tmp_path / "out/a.mp4.ass").read_text()
    assert "mit Maske 97%" in (tmp_path / "out/a.mp4.vtt").read_text()
    assert "mit Maske" in text
    assert text.count("0:00:05") >= 1


def test_encoders() -> None:
    assert ENCODER_NAMES == ENCODERS


def test_presets_and_qualities_make_other_files(archive: Path, tmp_path: Path) -> None:
    results, source = archive / "results/a.mp4.jsonl", str(archive / "videos/a.mp4")
    sizes = []
    for i, encoding in enumerate((Encoding(), Encoding(preset="medium"), Encoding(quality=40))):
        out = tmp_path / f"{i}.mp4"
        run_render(source, results, out, style=Style(), encoding=encoding)
        sizes.append(out.stat().st_size)
        assert len(frames(out)) == 24 * RATE
    assert sizes[1] < sizes[0]
    assert sizes[2] < sizes[0]


BAD = {
    "an unknown encoder": (Encoding("h265"), "there is no encoder 'h265': choose from libx264"),
    "an unknown preset": (Encoding(preset="fastest"), "libx264 has no preset 'fastest': choose from ultrafast"),
    "a quality that is none": (Encoding(quality=70), r"expected 0 \(best\) to 51"),
    "a quality of a copy": (Encoding("copy", quality=3), "an overlay encodes nothing"),
    "a preset of a copy": (Encoding("copy", preset="fast"), "copy has no preset 'fast': it has none"),
}


@pytest.mark.parametrize("kind", BAD)
def test_encodings_that_cannot_be(archive: Path, tmp_path: Path, kind: str) -> None:
    encoding, message = BAD[kind]
    out = tmp_path / ("out.mkv" if encoding.is_overlay else "out.mp4")
    with pytest.raises(RequestError, match=message):
        run_render(
            str(archive / "videos/a.mp4"), archive / "results/a.mp4.jsonl", out, style=Style(), encoding=encoding
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["h264_nvenc", "h264_qsv", "h264_vaapi"])
def test_an_encoder_that_is_asked_for_is_active_or_an_error(archive: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out.mp4"
    job = ("render", archive / "videos/a.mp4", archive / "results/a.mp4.jsonl", "-o", out, "--encoder", name)
    done = maskinfer(*job)
    if done.returncode == 0:  # this machine has the hardware
        assert len(frames(out)) == 24 * RATE
    else:
        check_error(done, 2, f"the encoder {name} does not work here (", "use libx264")
        assert not out.exists()
