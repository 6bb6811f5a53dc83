"""Opening an engine: which models, where they run, and which labels count."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from maskinfer.engine.contract import FaceCheck
from maskinfer.engine.engine import Engine, ModelsInLanes
from maskinfer.engine.errors import RequestError
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
from maskinfer.engine.runtime.cpu import available_threads
from maskinfer.engine.runtime.providers import AUTO, runs_on_cpu
from maskinfer.engine.sources.decoder import CPU, check_decoder


def load(
    detector: str | Path | Detector = DEFAULT_DETECTOR,
    classifier: str | Path | Classifier = DEFAULT_CLASSIFIER,
    *,
    provider: str = AUTO,
    threads: int | None = None,
    lanes: int | None = None,
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
        provider: ``auto``, ``cpu``, ``cuda``, ``openvino`` ...; naming one that is not active is an error. It does
            not apply to objects of your own.
        threads: CPU threads; None for all that this process may use.
        lanes: frames of a video that are processed at the same time, each with its share of the threads. One lane
            gives the lowest latency; as many lanes as threads give the most frames per second on a CPU. None is one
            lane for images and live sources, and the most frames per second for recordings, whose models are opened
            with the first recording.
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
    budget = available_threads() if threads is None else threads
    of_images = 1 if lanes is None else lanes
    if budget < 1 or not 1 <= of_images <= budget:
        raise RequestError(
            f"threads is {budget} and lanes is {of_images}, expected 1 or more threads, and no more lanes than threads"
        )
    check_decoder(decoder)
    options = {"kind": detector_kind, "det_threshold": det_threshold, "det_size_wh": det_size_wh}

    def models(lanes: int) -> tuple[PictureDetector, ContractClassifier]:
        machine = {"provider": provider, "threads": budget // lanes}
        labels = _classifier(classifier, uncertain_below, max_error, machine)
        faces = _detector(detector, options, machine)
        check = _check_of(faces, labels, det_threshold)
        return faces if check is None else _proposing(faces, check), labels

    own_models = models(of_images)
    check = _check_of(*own_models, det_threshold)
    engine = Engine(*own_models, gate or Gate(), budget, of_images, check, decoder=decoder)
    if lanes is None and budget > 1 and runs_on_cpu(provider):
        return replace(engine, for_recordings=ModelsInLanes(*own_models, budget, cache(lambda: models(budget))))
    return engine


def most_lanes(provider: str = AUTO, threads: int | None = None) -> int:
    """Return how many lanes give a recording most frames a second: on a CPU as many as threads, elsewhere one."""
    if not runs_on_cpu(provider):
        return 1
    return available_threads() if threads is None else threads


def _check_of(detector: PictureDetector, classifier: ContractClassifier, least: float | None) -> FaceCheck | None:
    """Return how the classifier checks what the detector proposes, if the two are made for that."""
    check = classifier.contract.face_check
    if check is None or not isinstance(detector, OnnxDetector) or detector.contract.name not in check.detectors:
        return None
    return check if least is None else replace(check, threshold=least)


def _proposing(detector: PictureDetector, check: FaceCheck) -> PictureDetector:
    """Return the detector as it proposes faces, whatever the least score of a face: the scores' scales are not one."""
    if not isinstance(detector, OnnxDetector):
        return detector
    return replace(detector, contract=replace(detector.contract, det_threshold=check.proposals_from))


def _detector(detector: str | Path | Detector, options: dict[str, Any], machine: dict[str, Any]) -> PictureDetector:
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
