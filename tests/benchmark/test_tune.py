"""``maskinfer tune``: ways race in turn, and only what is faster beyond the noise with the same answers is kept."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maskinfer.benchmark.tune.alone import Alone, time_alone
from maskinfer.benchmark.tune.keep import keep
from maskinfer.benchmark.tune.moves import entrants, moves
from maskinfer.benchmark.tune.race import Race, race
from maskinfer.benchmark.tune.search import Tuned, _Search, run_tune
from maskinfer.benchmark.tune.work import agreement, frames_for, shorten
from maskinfer.console.tune import show_tuned
from maskinfer.engine.errors import ProviderError, RequestError, SourceError
from maskinfer.engine.flow.progress import SILENT
from maskinfer.engine.load import ways_here
from maskinfer.engine.results import BGRFrame, Face, FrameResult
from maskinfer.engine.tuned.way import Asked, usual_way
from tests.commands.test_run import check_error
from tests.commands.test_run import maskinfer as run_maskinfer
from tests.helpers.clips import facts, write_clip

NONE_S = (1.0,) * 5


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MASKINFER_PROFILES", str(tmp_path / "profiles"))
    return tmp_path / "profiles"


@pytest.fixture(scope="module")
def clip(portrait: BGRFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "a.mp4", [portrait] * 20, rate=25)


@pytest.mark.parametrize(
    ("base_s", "other_s", "is_over", "is_faster", "is_slower"),
    [
        ((), (), False, False, False),
        ((1.0,) * 3, (0.5,) * 3, False, False, False),
        (NONE_S, (0.5,) * 5, True, True, False),
        (NONE_S, (0.99,) * 5, True, False, False),  # less than is worth it
        ((1.0,) * 3, (1.2, 1.3, 1.25), True, False, True),
        ((1.0, 1.0, 2.0, 1.0, 0.7), (0.9, 1.3, 1.0, 0.95, 1.0), False, False, False),
        ((1.0, 1.0, 2.0, 1.0, 0.7) * 2, (0.9, 1.3, 1.0, 0.95, 1.0) * 2, True, False, False),
    ],
)
def test_what_a_race_says(
    base_s: tuple[float, ...], other_s: tuple[float, ...], is_over: bool, is_faster: bool, is_slower: bool
) -> None:
    found = Race(base_s, other_s)
    assert (found.is_over, found.is_faster, found.is_slower) == (is_over, is_faster, is_slower)


def test_two_ways_take_turns() -> None:
    order: list[str] = []
    found = race(lambda: order.append("a"), lambda: order.append("b"), float("inf"))
    assert "".join(order[:8]) == "abbaabba"
    assert 3 <= len(found.ratios) <= 9
    assert race(lambda: None, lambda: None, time.monotonic() - 1).speedup == 1


def result(*faces: tuple[float, str]) -> FrameResult:
    found = tuple(Face((x, 0.0, x + 10, 10.0), 0.9, None, label, 0.9, {label: 0.9}) for x, label in faces)
    return FrameResult("", 0, 0.0, (100, 100), found)


def test_faces_agree_by_place_and_label() -> None:
    one = result((0, "with_mask"), (50, "without_mask"))
    assert agreement([one], [one]) == 1
    assert agreement([one], [result((1, "with_mask"), (50, "with_mask"))]) == pytest.approx(0.5)
    assert agreement([one], [result((0, "with_mask"))]) == pytest.approx(2 / 3)
    assert agreement([one], [result()]) == 0
    assert agreement([result()], [result()]) == 1


def test_a_clip_is_cut_to_what_can_be_run_often(clip: Path, tmp_path: Path) -> None:
    assert [frames_for(rate) for rate in (1.0, 50.0, 5000.0)] == [12, 30, 48]
    shorten(clip, tmp_path / "b.mkv", 12)
    assert len(facts(tmp_path / "b.mkv").times) == 12
    (tmp_path / "c.mp4").write_text("no clip")
    with pytest.raises(SourceError, match="cannot be cut for measuring"):
        shorten(tmp_path / "c.mp4", tmp_path / "d.mkv", 12)


def test_who_may_race() -> None:
    usual = replace(usual_way(Asked(), "cpu", 4), detector="d8", classifier="c8")
    alone = [
        Alone("detector", "d", "cpu", 8.0, 1.0), Alone("detector", "d8", "cpu", 6.0, 1.0),
        Alone("classifier", "c", "cpu", 4.0, 1.0), Alone("classifier", "c8", "cpu", 2.0, 0.98),
    ]  # fmt: skip
    (only,) = entrants(alone, usual)
    assert (only[1].detector, only[1].classifier, only[1].lanes) == ("d8", "c", 4)
    assert [way.provider for _, way in entrants([replace(one, agreement=0.5) for one in alone], usual)] == []


def test_one_setting_after_the_other() -> None:
    way = usual_way(Asked("d", "c"), "cpu", 4)
    found = {name: [what for what, _ in moves(name, way, [])] for name in ("lanes", "batch", "codecs", "threads")}
    assert found["lanes"] == ["lanes 1", "lanes 2", "lanes 4"]
    assert found["batch"] == ["batch 1", "batch 2", "batch 4"]
    assert found["codecs"] == ["codec threads 1", "codec threads 2", "codec threads 4"]
    assert found["threads"] == ["threads 2"]
    assert [way.lanes for _, way in moves("threads", way, [])] == [2]
    alone = [Alone("classifier", name, "cpu", ms, 1.0) for name, ms in (("c", 2.0), ("c8", 2.5), ("c9", 9.0))]
    assert [one.classifier for _, one in moves("precision", way, alone)] == ["c8"]


def test_other_labels_and_what_fails_are_out_of_the_race(clip: Path, colour_classifier: Path, tmp_path: Path) -> None:
    asked = Asked()
    usual = usual_way(asked, "cpu", 1)
    search = _Search(asked, usual, tmp_path, time.monotonic() + 600, SILENT)
    search.prepare(clip)
    assert search.faces >= 24
    search.try_way("colours", replace(usual, classifier=str(colour_classifier)))
    search.try_way("no such build", replace(usual, provider="nnapi"))
    search.try_way("the same once more", usual)
    search._last_s = time.monotonic() - 1
    search.try_way("late", replace(usual, codec_threads=7))
    said = {one.what: one.said for one in search.tried}
    assert said["colours"] == "other labels"
    assert said["no such build"].startswith("fails: provider nnapi is not in the installed onnxruntime")
    assert said["late"].startswith("not tried")
    assert list(said) == ["colours", "no such build", "late"]
    assert (search.best, search.is_complete) == (usual, False)


def test_models_alone_say_which_provider_runs_them() -> None:
    rows, failed = time_alone(Asked(), ["cpu"], 1)
    assert [(one.task, one.name) for one in rows] == [
        ("detector", "retinaface-mask"), ("detector", "retinaface-mask-int8"),
        ("classifier", "mobilenetv2-128"), ("classifier", "mobilenetv2-128-int8"),
    ]  # fmt: skip
    assert all(one.ms > 0 and one.agreement >= 0.9 for one in rows)
    assert failed == {}
    late = time_alone(Asked(), ["cpu", "cpu"], 1, time.monotonic() - 1)
    assert len(late[0]) == 4
    with pytest.raises(ProviderError, match="nnapi is not in the installed"):
        time_alone(Asked(), ["nnapi"], 1)


def test_a_profile_is_kept_if_a_way_won(capsys: pytest.CaptureFixture[str]) -> None:
    asked = Asked()
    usual = usual_way(asked)
    best = replace(usual, provider="cpu", codec_threads=usual.codec_threads + 1)
    last = Race((1.0,) * 5, (0.8,) * 5)
    tuned = Tuned(asked, usual, best, last, 40, 80, 1.0, (), (), {"xnnpack": "no such library"}, 9.0, True)
    file = keep(tuned)
    assert file is not None
    assert ways_here()[0] == best
    show_tuned(tuned, file, is_kept=True)
    shown = capsys.readouterr().out
    assert "50.0 frames/s where the usual way has 40.0: 1.25 times" in shown
    assert "left out: xnnpack: no such library" in shown
    assert f"kept in {file}" in shown
    assert keep(replace(tuned, best=usual, last=None)) is None
    assert ways_here() == [usual]
    with pytest.raises(RequestError, match="seconds is 0"):
        run_tune(asked, seconds=0)


def test_the_command(clip: Path, colour_classifier: Path, tmp_path: Path, folder: Path) -> None:
    written = tmp_path / "tuned.json"
    done = run_maskinfer(
        "tune", clip, "--classifier", colour_classifier, "--provider", "cpu", "--seconds", 5, "--json", written
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "labels have to agree on 99% of" in done.stdout
    record = json.loads(written.read_text())
    assert record["usual"]["provider"] in ("cpu", "auto")
    assert {one["provider"] for one in record["alone"]} == {"cpu"}
    assert all(one["way"] and one["said"] for one in record["tried"])
    kept = list(folder.glob("*.json"))
    assert len(kept) == (record["best"] != record["usual"])
    said = "kept in" if kept else "no other way is faster beyond the noise: auto stays as it is"
    assert said in done.stdout
    forgotten = run_maskinfer("tune", "--classifier", colour_classifier, "--forget")
    assert forgotten.stdout.strip() == ("removed" if kept else "there is no profile of these models on this machine")
    check_error(run_maskinfer("tune", "--forget", "--detector", "nope"), 2, "no detector 'nope'")
    assert "--dry-run would do nothing" in run_maskinfer("tune", "--forget", "--dry-run").stderr
    check_error(run_maskinfer("tune", tmp_path / "none.mp4"), 2, "there is no file")


def test_times_are_numbers_that_json_has(clip: Path, colour_classifier: Path) -> None:
    """Without time for one race nothing is infinite in the figures that are written."""
    tuned = run_tune(Asked(classifier=str(colour_classifier)), clip=clip, providers=["cpu"], seconds=0.01)
    assert tuned.best == tuned.usual
    assert not tuned.is_complete
    assert all(np.isfinite(one.frames_per_second or 0) for one in tuned.tried)
