"""Opening an engine: which models, where they run, and which labels count."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from maskinfer.engine.contract import FaceCheck
from maskinfer.engine.engine import Engine, ModelsInLanes
from maskinfer.engine.errors import ProviderError, RequestError
from maskinfer.engine.faces.classifier import DEFAULT_CLASSIFIER, OnnxClassifier, load_classifier, threshold_for
from maskinfer.engine.faces.detector import DEFAULT_DETECTOR, OnnxDetector, load_detector
from maskinfer.engine.faces.protocols import (
    Classifier,
    ContractClassifier,
    Detector,
    PictureDetector,
    own_classifier,
    own_detector,
)
from maskinfer.engine.faces.quality import Gate
from maskinfer.engine.presets import BALANCED, PRESETS, Preset
from maskinfer.engine.runtime.cpu import available_threads
from maskinfer.engine.runtime.providers import AUTO
from maskinfer.engine.sources.decoder import CPU, check_decoder
from maskinfer.engine.tuned.profile import find_profile
from maskinfer.engine.tuned.way import Asked, Way, usual_batch, usual_way

_OWN = "\0"  # stands for somebody's own object, which has no name
_log = logging.getLogger(__name__)


def load(
    detector: str | Path | Detector = DEFAULT_DETECTOR,
    classifier: str | Path | Classifier = DEFAULT_CLASSIFIER,
    *,
    preset: str = BALANCED,
    provider: str = AUTO,
    threads: int | None = None,
    lanes: int | None = None,
    use_profile: bool = True,
    detector_kind: str | None = None,
    det_threshold: float | None = None,
    det_size_wh: tuple[int, int] | None = None,
    uncertain_below: float | None = None,
    max_error: float | None = None,
    gate: Gate | None = None,
    decoder: str = CPU,
) -> Engine:
    """Open an engine.

    Args:
        detector: ``auto``, a shipped model's name, ``insightface:PACK`` (for non-commercial research), an ONNX file's
            path, or an object of your own that is a ``Detector``.
        classifier: ``auto``, a shipped model's name, the path of an ONNX file that carries a contract, or an object of
            your own that is a ``Classifier``.
        preset: which models ``auto`` stands for, how often the detector looks where faces are followed, and whether
            those models look once or several times: ``fast``, ``balanced`` or ``accurate``.
        provider: ``auto``, ``cpu``, ``cuda``, ``openvino`` ...; naming one that is not active is an error. It does
            not apply to objects of your own.
        threads: CPU threads; None for all that this process may use.
        lanes: frames of a video that are processed at the same time, each with its share of the threads. One lane
            gives the lowest latency; as many lanes as threads give the most frames per second on a CPU. None is one
            lane for images and live sources, and the most frames per second for recordings, whose models are opened
            with the first recording.
        use_profile: let ``auto`` be the way that ``maskinfer tune`` found fastest here, if there is a profile of these
            models; what you name yourself counts more. The environment variable MASKINFER_NO_PROFILE=1 says no.
        detector_kind: the kind of a detector file without a contract; ``scrfd`` for insightface's own files.
        det_threshold: lowest score of a face, 0 to 1; None for the models' default.
        det_size_wh: width and height in pixels that frames are scaled to fit into; None for the detector's default.
        uncertain_below: faces whose label has a lower score get the label ``uncertain``; None for the classifier's
            default.
        max_error: turns as many labels into ``uncertain`` as needed for at most this share of the others to be wrong,
            according to the classifier's contract; None for no such limit.
        gate: faces that are smaller or more blurred get the label ``uncertain``; None for no such limit.
        decoder: of recordings: ``cpu``, or ``cuda``, ``vaapi``, ``videotoolbox``, ``d3d11va`` or ``vulkan`` for what
            hardware decodes; naming one that does not work here is an error.

    Raises:
        ModelNotFoundError: there is no model of that name, or no such file.
        ModelError: a file is not a model that can be run.
        ContractError: a file carries no contract, or one that does not fit its graph.
        ProviderError: the execution provider that was named is not active.
        MissingExtraError: the model needs an optional package that is not installed.
        RequestError: an option is out of range, or an object is neither a detector nor a classifier.
    """
    check_decoder(decoder)
    models = (detector, classifier)
    ways = ways_here(*models, preset=preset, provider=provider, threads=threads, lanes=lanes, use_profile=use_profile)
    options = {"kind": detector_kind, "det_threshold": det_threshold, "det_size_wh": det_size_wh}
    for number, way in enumerate(ways, 1):
        try:
            looks = PRESETS[preset]
            engine = _open(models, way, looks, options, uncertain_below, max_error, gate or Gate(), lanes)
            return replace(
                engine,
                decoder=decoder,
                looks_per_s=looks.looks_per_s,
                recorded_looks_per_s=looks.recorded_looks_per_s,
            )
        except ProviderError as error:
            if number == len(ways):
                raise
            _log.warning("the profile of `maskinfer tune` is not used: %s; run it again", error)
    raise AssertionError("there is always a way")  # pragma: no cover


def ways_here(
    detector: str | Path | Detector = AUTO,
    classifier: str | Path | Classifier = AUTO,
    *,
    preset: str = BALANCED,
    provider: str = AUTO,
    threads: int | None = None,
    lanes: int | None = None,
    use_profile: bool = True,
    **_others: object,
) -> list[Way]:
    """Return how jobs are run here, by the arguments of ``load``: the profile's way if there is one, then the usual.

    Raises:
        RequestError: a number is out of range, or there is no such preset. ProviderError: see ``load``.
    """
    if preset not in PRESETS:
        raise RequestError(f"there is no preset {preset!r}: choose {', '.join(PRESETS)}")
    budget = available_threads() if threads is None else threads
    if budget < 1 or not 1 <= (1 if lanes is None else lanes) <= budget:
        raise RequestError(
            f"threads is {budget} and lanes is {1 if lanes is None else lanes}, expected 1 or more threads, and no "
            "more lanes than threads"
        )
    asked = Asked(_named(detector), _named(classifier), preset)
    usual = usual_way(asked, provider, budget, lanes)
    is_free = use_profile and provider.lower() == AUTO and _OWN not in (asked.detector, asked.classifier)
    profile = find_profile(asked) if is_free else None
    if profile is None:
        return [usual]
    way = profile.way
    if threads not in (None, way.threads) or lanes not in (None, way.lanes):
        # How a job is divided was measured with other threads or lanes.
        divided = usual_way(asked, way.provider, budget, lanes)
        way = replace(divided, detector=way.detector, classifier=way.classifier)
    return [way, usual]


def _named(model: object) -> str:
    return str(model) if isinstance(model, (str, Path)) else _OWN


def _open(
    models: tuple[str | Path | Detector, str | Path | Classifier],
    way: Way,
    preset: Preset,
    options: Mapping[str, Any],
    uncertain_below: float | None,
    max_error: float | None,
    gate: Gate,
    lanes: int | None,
) -> Engine:
    detector = way.detector if isinstance(models[0], (str, Path)) else models[0]
    classifier = way.classifier if isinstance(models[1], (str, Path)) else models[1]
    least = options["det_threshold"]

    def opened(lanes: int) -> tuple[PictureDetector, ContractClassifier]:
        machine = {"provider": way.provider, "threads": way.threads // lanes, "lanes": lanes}
        labels = _classifier(classifier, uncertain_below, max_error, machine)
        faces = _detector(detector, options, machine)
        # Of models that somebody names nobody measured what more looks say, and against which threshold.
        if isinstance(faces, OnnxDetector) and models[0] == AUTO:
            faces = replace(faces, views=preset.views)
        if isinstance(labels, OnnxClassifier) and models[1] == AUTO:
            labels = replace(labels, mirrored=preset.mirrored)
        check = _check_of(faces, labels, least)
        return faces if check is None else _proposing(faces, check, preset), labels

    of_images = 1 if lanes is None else lanes
    first = opened(of_images)
    engine = Engine(
        *first,
        gate,
        way.threads,
        of_images,
        _check_of(*first, least),
        batch_frames=way.batch_frames if of_images == way.lanes else usual_batch(of_images),
        codec_threads=way.codec_threads,
    )
    if of_images == way.lanes:
        return engine
    in_lanes = ModelsInLanes(*first, way.lanes, way.batch_frames, cache(lambda: opened(way.lanes)))
    return replace(engine, for_recordings=in_lanes)


def _check_of(detector: PictureDetector, classifier: ContractClassifier, least: float | None) -> FaceCheck | None:
    """Return how the classifier checks what the detector proposes, if the two are made for that."""
    check = classifier.contract.face_check
    if check is None or not isinstance(detector, OnnxDetector) or detector.contract.name not in check.detectors:
        return None
    return check if least is None else replace(check, threshold=least)


def _proposing(detector: PictureDetector, check: FaceCheck, preset: Preset) -> PictureDetector:
    """Return the detector as it proposes faces, whatever the least score of a face: the scores' scales are not one."""
    if not isinstance(detector, OnnxDetector):
        return detector
    least = preset.proposals_from if detector.views and preset.proposals_from is not None else check.proposals_from
    return replace(detector, contract=replace(detector.contract, det_threshold=least))


def _detector(detector: str | Path | Detector, options: Mapping[str, Any], machine: dict[str, Any]) -> PictureDetector:
    if isinstance(detector, (str, Path)):
        return load_detector(str(detector), **options, **machine)
    given = [{"kind": "detector_kind"}.get(name, name) for name, value in options.items() if value is not None]
    if given:
        raise RequestError(f"{' and '.join(given)} cannot be set for a detector of your own: set it on the object")
    return detector if isinstance(detector, OnnxDetector) else own_detector(detector)


def _classifier(
    classifier: str | Path | Classifier, uncertain_below: float | None, max_error: float | None, machine: dict[str, Any]
) -> ContractClassifier:
    model = (
        load_classifier(str(classifier), **machine) if isinstance(classifier, (str, Path))
        else classifier if isinstance(classifier, OnnxClassifier)
        else own_classifier(classifier)
    )  # fmt: skip
    if max_error is not None:
        if uncertain_below is not None:
            raise RequestError(
                "uncertain_below and max_error (--uncertain-below, --max-error) do the same: give one of them"
            )
        uncertain_below = threshold_for(model.contract, max_error)
    if uncertain_below is None:
        return model
    return replace(model, contract=replace(model.contract, uncertain_below=uncertain_below))
