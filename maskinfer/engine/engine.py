"""The engine: finds the faces of frames and labels them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

import numpy as np

from maskinfer.engine.classifier import DEFAULT_CLASSIFIER, UNCERTAIN, OnnxClassifier, load_classifier
from maskinfer.engine.detector import DEFAULT_DETECTOR, Detector, load_detector
from maskinfer.engine.gate import Gate
from maskinfer.engine.geometry import FloatArray, cut_crops
from maskinfer.engine.prefetch import batched
from maskinfer.engine.providers import AUTO
from maskinfer.engine.results import BGRFrame, Detections, Face, FrameResult
from maskinfer.engine.sources import SourceFrame, open_source

# Frames that share a run of the models when a source is iterated. More gained nothing on a CPU.
BATCH_FRAMES = 4


@dataclass(frozen=True, slots=True)
class Engine:
    """Detector and classifier together.

    Safe to call from several threads at once; each call is on its own.
    """

    detector: Detector
    classifier: OnnxClassifier
    gate: Gate = field(default_factory=Gate)

    @overload
    def __call__(self, frames: BGRFrame) -> FrameResult: ...
    @overload
    def __call__(self, frames: Sequence[BGRFrame]) -> list[FrameResult]: ...
    def __call__(self, frames: BGRFrame | Sequence[BGRFrame]) -> FrameResult | list[FrameResult]:
        """Find and label all faces.

        Args:
            frames: one frame, uint8 (height, width, 3), BGR; or a list of frames of any sizes, whose faces then
                go through the classifier together.

        Returns:
            A result, or a list of one result for each frame.

        Raises:
            RequestError: a frame has another shape or dtype.
        """
        if isinstance(frames, np.ndarray):
            return self.infer([SourceFrame("", 0, 0.0, frames)])[0]
        return self.infer([SourceFrame("", i, 0.0, frame) for i, frame in enumerate(frames)])

    def infer(self, frames: Sequence[SourceFrame]) -> list[FrameResult]:
        """Return a result for each frame of a source; the faces of all frames share the classifier's runs."""
        found = self.detector([frame.bgr for frame in frames])
        contract = self.classifier.contract
        crops = [
            cut_crops(frame.bgr, detections.xyxy, contract.crop, contract.size_wh)
            for frame, detections in zip(frames, found, strict=True)
        ]
        scores = self.classifier(np.concatenate(crops)) if crops else np.zeros((0, 0), np.float32)
        per_frame = np.split(scores, np.cumsum([len(detections) for detections in found])[:-1])
        return [
            self._result(frame, detections, cuts, rows)
            for frame, detections, cuts, rows in zip(frames, found, crops, per_frame, strict=False)
        ]

    def iterate(self, source: str | Path) -> Iterator[FrameResult]:
        """Yield a result for every frame of an image, a folder of images, a video file, a URL or a camera index.

        Raises:
            SourceError: the source cannot be read, or not to its end (after the results of what came before).
        """
        with open_source(source) as frames:
            for batch in batched(frames, BATCH_FRAMES):
                yield from self.infer(batch)

    def _result(self, frame: SourceFrame, detections: Detections, crops: BGRFrame, rows: FloatArray) -> FrameResult:
        height, width = frame.bgr.shape[:2]
        faces = tuple(self._face(detections, i, crops[i], rows[i]) for i in range(len(detections)))
        return FrameResult(frame.source, frame.index, frame.time_s, (width, height), faces)

    def _face(self, detections: Detections, i: int, crop: BGRFrame, row: FloatArray) -> Face:
        left, top, right, bottom = (float(v) for v in detections.xyxy[i])
        points = None
        if detections.landmarks is not None:
            points = tuple((float(x), float(y)) for x, y in detections.landmarks[i])
        label, score = self.classifier.label(row)
        if not self.gate.passes((left, top, right, bottom), crop):
            label = UNCERTAIN
        scores = dict(zip(self.classifier.contract.labels, (float(p) for p in row), strict=True))
        return Face((left, top, right, bottom), float(detections.scores[i]), points, label, score, scores)


def load(
    detector: str = DEFAULT_DETECTOR,
    classifier: str = DEFAULT_CLASSIFIER,
    *,
    provider: str = AUTO,
    threads: int | None = None,
    detector_kind: str | None = None,
    det_threshold: float | None = None,
    det_size_wh: tuple[int, int] | None = None,
    uncertain_below: float | None = None,
    min_face_px: float = 0.0,
    min_sharpness: float = 0.0,
) -> Engine:
    """Open an engine.

    Args:
        detector: ``retinaface-mask``, ``retinaface``, ``insightface:PACK`` (for non-commercial research), or an ONNX
            file's path.
        classifier: a shipped model's name, or the path of an ONNX file that carries a contract.
        provider: ``auto``, ``cpu``, ``cuda``, ``openvino`` ...; one that is named is active, or it is an error.
        threads: of the CPU for each model; None for all that this process may use.
        detector_kind: of a detector file that carries no contract; ``scrfd`` for insightface's own.
        det_threshold: least score of a face, 0 to 1; None for the detector's own.
        det_size_wh: frames are scaled to fit into this many pixels; None for the detector's own.
        uncertain_below: faces whose label scores less get the label ``uncertain``; None for the classifier's own.
        min_face_px: so do faces whose shorter side has fewer pixels; 0 is off.
        min_sharpness: so do faces that are more blurred, see ``gate.sharpness``; 0 is off.

    Raises:
        ModelNotFoundError, ModelError, ContractError, ProviderError, RequestError, MissingExtraError.
    """
    gate = Gate(min_face_px, min_sharpness)
    return Engine(
        load_detector(
            detector,
            kind=detector_kind,
            provider=provider,
            threads=threads,
            det_threshold=det_threshold,
            det_size_wh=det_size_wh,
        ),
        load_classifier(classifier, provider=provider, threads=threads, uncertain_below=uncertain_below),
        gate,
    )
