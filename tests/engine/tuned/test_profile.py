"""Profiles: kept by ``maskinfer tune``, used by ``auto``, ignored once something is not as it was."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, replace
from pathlib import Path

import pytest

import maskinfer
from maskinfer.engine.catalog.shipped import SHIPPED
from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.jobs.doctor import diagnose
from maskinfer.engine.load import ways_here
from maskinfer.engine.presets import PRESETS
from maskinfer.engine.tuned.profile import (
    Profile,
    find_profile,
    forget_profile,
    model_hashes,
    profiles_folder,
    this_place,
    write_profile,
)
from maskinfer.engine.tuned.way import Asked, Way, most_lanes, usual_way

DEFAULT = Asked()
OTHER = Way("cpu", "retinaface-mask", "mobilenetv2-small-112", threads=2, lanes=2, batch_frames=3, codec_threads=2)


def profile(way: Way = OTHER, asked: Asked = DEFAULT) -> Profile:
    names = asdict(asked)
    return Profile("2026-11-26T12:00:00+00:00", "0", names, this_place(), model_hashes(asked), way, 20.0, 10.0, 1.0)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MASKINFER_PROFILES", str(tmp_path / "profiles"))
    monkeypatch.delenv("MASKINFER_NO_PROFILE", raising=False)
    return tmp_path / "profiles"


def test_auto_is_the_profiles_way() -> None:
    assert ways_here() == [usual_way(DEFAULT)]
    write_profile(profile())
    assert find_profile(DEFAULT) == profile()
    assert ways_here() == [OTHER, usual_way(DEFAULT)]
    engine = maskinfer.load()
    assert engine.classifier.contract.name.startswith("mobilenetv2-small-112")
    assert (engine.threads, engine.lanes, engine.threads_of_codecs()) == (2, 1, 2)
    assert engine.for_recordings is not None
    assert (engine.for_recordings.lanes, engine.for_recordings.batch_frames) == (2, 3)
    assert maskinfer.load(lanes=2).batch_frames == 3
    assert forget_profile(DEFAULT)
    assert not forget_profile(DEFAULT)
    assert ways_here() == [usual_way(DEFAULT)]


def test_what_the_user_says_counts_more(monkeypatch: pytest.MonkeyPatch) -> None:
    write_profile(profile())
    assert ways_here(provider="cpu") == [usual_way(DEFAULT, "cpu")]
    assert ways_here(use_profile=False) == [usual_way(DEFAULT)]
    divided = ways_here(threads=1)[0]
    assert (divided.classifier, divided.threads, divided.lanes, divided.batch_frames) == (OTHER.classifier, 1, 1, 4)
    assert ways_here(lanes=1, threads=2)[0].batch_frames == 4
    assert ways_here(classifier="mobilenetv2-128")[0].classifier == "mobilenetv2-128"
    monkeypatch.setenv("MASKINFER_NO_PROFILE", "1")
    assert ways_here() == [usual_way(DEFAULT)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"processor": "Abacus 9"}, "of another machine (Abacus 9, "),
        ({"threads": 63}, "63 threads"),
        ({"onnxruntime": "1.2.3"}, "of onnxruntime 1.2.3"),
        ({"providers": ("cpu", "tensorrt")}, "with cpu, tensorrt"),
    ],
)
def test_another_machine_or_runtime_is_told_once(
    change: dict[str, object], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    old = replace(profile(), place=replace(this_place(), **change))  # type: ignore[arg-type]
    write_profile(old)
    with caplog.at_level(logging.WARNING):
        assert find_profile(DEFAULT) is None
        assert find_profile(DEFAULT) is None
    (told,) = caplog.messages
    assert reason in told
    assert "2026-11-26 is not used" in told


def test_other_models_are_told_once_and_other_questions_are_not(caplog: pytest.LogCaptureFixture) -> None:
    write_profile(replace(profile(), models={**model_hashes(DEFAULT), "retinaface-mask": "0" * 64}))
    assert find_profile(Asked(preset="fast")) is None
    assert caplog.messages == []
    assert find_profile(DEFAULT) is None
    assert find_profile(DEFAULT) is None
    (told,) = caplog.messages
    assert "the models have changed since" in told


def test_a_file_of_ones_own_is_known_by_its_content(colour_classifier: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.onnx"
    own.write_bytes(colour_classifier.read_bytes())
    asked = Asked(classifier=str(own))
    write_profile(profile(replace(OTHER, classifier=str(own)), asked))
    assert find_profile(asked) is not None
    own.write_bytes(colour_classifier.read_bytes() + b"\0")
    assert find_profile(asked) is None


def test_a_broken_profile_is_ignored(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write_profile(profile())
    for text in ("no json", json.dumps({"way": 1}), file.read_text().replace('"lanes": 2', '"lanes": 0')):
        file.write_text(text)
        caplog.clear()
        assert find_profile(DEFAULT) is None
        assert f"{file} is no profile of maskinfer tune" in caplog.messages[0]
    assert ways_here() == [usual_way(DEFAULT)]


def test_a_profile_whose_provider_is_gone_is_told_and_left(caplog: pytest.LogCaptureFixture) -> None:
    """As after a driver was removed: the build still has the provider, and it does not become active."""
    write_profile(profile(replace(OTHER, provider="nnapi")))
    engine = maskinfer.load()
    assert engine.classifier.contract.name.startswith("mobilenetv2-128")
    assert any("the profile of `maskinfer tune` is not used: provider nnapi" in line for line in caplog.messages)


def test_profiles_lie_where_settings_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASKINFER_PROFILES")
    assert profiles_folder().parts[-2:] == ("maskinfer", "profiles")


def test_presets_are_shipped_models() -> None:
    for name, preset in PRESETS.items():
        assert {preset.detector, preset.classifier} <= set(SHIPPED)
        way = usual_way(Asked(preset=name), "cpu")
        assert way.lanes == most_lanes("cpu")
    assert {name: (one.looks_per_s, one.recorded_looks_per_s) for name, one in PRESETS.items()} == {
        "fast": (15, 15), "balanced": (None, 15), "accurate": (None, None),
    }  # fmt: skip
    with pytest.raises(RequestError, match="there is no preset 'best': choose fast, balanced, accurate"):
        maskinfer.load(preset="best")


def test_a_preset_sets_models_and_looks_and_yields_to_what_is_named() -> None:
    fast = maskinfer.load(preset="fast", provider="cpu", lanes=1)
    assert fast.looks_per_s == fast.tracker(TrackOptions()).looks_per_s == 15
    usual = maskinfer.load(provider="cpu", lanes=1)
    assert [usual.tracker(TrackOptions(), recorded=recorded).looks_per_s for recorded in (False, True)] == [None, 15]
    assert fast.classifier.contract.name.startswith(PRESETS["fast"].classifier)
    assert fast.face_check is not None
    other = maskinfer.load(classifier="mobilenetv2-128", preset="fast", provider="cpu", lanes=1)
    usual = maskinfer.load(classifier="mobilenetv2-128", provider="cpu", lanes=1)
    assert other.face_check == usual.face_check
    sized = maskinfer.load(preset="fast", provider="cpu", lanes=1, det_size_wh=(320, 320))
    assert sized.detector.contract.size_wh == (320, 320)  # type: ignore[attr-defined]


def test_doctor_shows_the_profile_and_the_job_that_it_makes() -> None:
    def said() -> dict[str, str]:
        return {check.name: f"{check.status} {check.detail}" for check in diagnose()}

    assert said()["profile"].startswith("ok none; maskinfer tune")
    write_profile(profile())
    told = said()
    assert told["profile"] == f"ok of 2026-11-26, used by auto: {OTHER}"
    assert told["default job"] == "ok retinaface-mask and mobilenetv2-small-112 on auto = cpu"
    write_profile(profile(replace(OTHER, provider="nnapi")))
    assert said()["default job"].startswith("ok retinaface-mask")
