"""Face detectors: a batch of frames in, the faces of each frame out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maskinfer.engine.catalog.contract_check import check_graph
from maskinfer.engine.catalog.find import best_precision_name, find_model
from maskinfer.engine.catalog.insightface import INSIGHTFACE_PREFIX
from maskinfer.engine.contract import DETECTOR_KINDS, METADATA_KEY, DetectorContract, from_metadata
from maskinfer.engine.errors import ContractError, ModelError, RequestError
from maskinfer.engine.faces import retinaface, scrfd
from maskinfer.engine.faces.boxes import Candidates, fused, grown, suppress
from maskinfer.engine.faces.face_check import logits
from maskinfer.engine.faces.letterbox import Letterbox, letterbox_batch, plan_letterbox
from maskinfer.engine.flow.stages import stage
from maskinfer.engine.frames.picture import AnyPicture, Picture, as_picture
from maskinfer.engine.presets import BALANCED, PRESETS, View
from maskinfer.engine.results import Detections, FloatArray
from maskinfer.engine.runtime.preprocess import to_input
from maskinfer.engine.runtime.providers import AUTO
from maskinfer.engine.runtime.session import create_session, is_on_cpu, run_session

if TYPE_CHECKING:
    import onnxruntime as ort

DEFAULT_DETECTOR = AUTO
# What ``auto`` stands for, in the precision that is best here.
AUTO_DETECTOR = PRESETS[BALANCED].detector
MAX_BATCH = 8
# There larger batches are not faster, and onnxruntime keeps for good the memory that the largest one took.
MAX_BATCH_ON_CPU = 2
Decode = Callable[[Sequence[FloatArray], tuple[int, int], DetectorContract], list[Candidates]]
_DECODERS: dict[str, Decode] = {"retinaface": retinaface.decode, "scrfd": scrfd.decode}

# Boxes, scores and landmarks of one place.
_RETINAFACE_WIDTHS = (4, 2, 10)
# Left and right eye, nose, left and right corner of the mouth.
_MIRRORED_LANDMARKS = [1, 0, 2, 4, 3]
# What one look says with less is nothing that others could confirm.
_LEAST_OF_A_LOOK = 0.05
# Slope and offset by which the mean logit of several looks decides as that of one look does: fitted with the face check
# on annotated scenes, so that its threshold gives as many false positives.
_ONE_LOOK = (1.14, 0.13)
# Its feature maps alone take several gigabytes.
MOST_SIDE_PX = 8192


@dataclass(frozen=True, slots=True)
class OnnxDetector:
    """A detector that runs an ONNX graph as its contract says.

    Attributes:
        session: runs the graph.
        contract: what its file says of it.
        views: each frame is looked at in all of these ways, and what is found is fused (``boxes.fused``); empty for one
            look. For graphs that take any size.
    """

    session: ort.InferenceSession
    contract: DetectorContract
    views: tuple[View, ...] = ()

    def __call__(self, frames: Sequence[AnyPicture]) -> list[Detections]:
        """Return the faces of each frame; see ``protocols.PictureDetector``."""
        pictures = [as_picture(frame) for frame in frames]
        if not self.views:
            return self._look(pictures)
        looks = [self._in_size(view.scale)._look(pictures, mirrored=view.mirrored) for view in self.views]
        return [_as_of_one(fused(of_one), self.contract) for of_one in zip(*looks, strict=True)]

    def _in_size(self, scale: float) -> OnnxDetector:
        """Return what looks once, in another size, and tells all that another look may confirm."""
        width, height = (max(1, round(side * scale)) for side in self.contract.size_wh)
        contract = replace(self.contract, size_wh=(width, height), det_threshold=_LEAST_OF_A_LOOK)
        return replace(self, contract=contract, views=())

    def _look(self, pictures: Sequence[Picture], *, mirrored: bool = False) -> list[Detections]:
        plans = [self._plan(picture) for picture in pictures]
        results: list[Detections | None] = [None] * len(pictures)
        most = MAX_BATCH_ON_CPU if is_on_cpu(self.session) else MAX_BATCH
        for indices in _batches(plans, most if self.contract.batch else 1):
            batch_plans = [plans[i] for i in indices]
            found = self._run([pictures[i] for i in indices], batch_plans, mirrored)
            for i, detections in zip(indices, found, strict=True):
                results[i] = detections
        return [detections for detections in results if detections is not None]

    def _plan(self, picture: Picture) -> Letterbox:
        contract = self.contract
        return plan_letterbox(
            picture.size_wh, contract.size_wh, divisor=contract.size_divisor, fixed=contract.fixed_size
        )

    def _run(self, pictures: Sequence[Picture], plans: Sequence[Letterbox], mirrored: bool) -> list[Detections]:
        with stage("letterbox"):
            canvas = letterbox_batch(pictures, plans)
            batch = to_input(np.ascontiguousarray(canvas[:, :, ::-1]) if mirrored else canvas, self.contract.input)
        with stage("detect"):
            outputs = run_session(self.session, batch, self.contract.name)
        with stage("boxes"):
            candidates = decode(outputs, plans[0].canvas_wh, self.contract)
            if mirrored:
                candidates = [_turned_back(one, plans[0].canvas_wh[0]) for one in candidates]
            return [_to_source(one, plan, self.contract) for one, plan in zip(candidates, plans, strict=True)]


def decode(outputs: Sequence[FloatArray], canvas_wh: tuple[int, int], contract: DetectorContract) -> list[Candidates]:
    """Return the predictions over the contract's threshold, before suppression, for each frame of a batch.

    Args:
        outputs: the graph's, in its order.
        canvas_wh: width and height of the input in pixels.
        contract: the graph's.
    """
    return _DECODERS[contract.kind](outputs, canvas_wh, contract)


def _batches(plans: Sequence[Letterbox], max_batch: int) -> list[list[int]]:
    """Group the indices of frames that share a canvas, at most ``max_batch`` to a group."""
    by_canvas: dict[tuple[int, int], list[int]] = {}
    for index, plan in enumerate(plans):
        by_canvas.setdefault(plan.canvas_wh, []).append(index)
    return [
        indices[start : start + max_batch]
        for indices in by_canvas.values()
        for start in range(0, len(indices), max_batch)
    ]


def _turned_back(candidates: Candidates, width: int) -> Candidates:
    """Return what was found in a mirror, in pixels of the picture itself."""
    xyxy, scores, landmarks = candidates
    turned = np.stack([width - xyxy[:, 2], xyxy[:, 1], width - xyxy[:, 0], xyxy[:, 3]], axis=1)
    if landmarks is None:
        return turned, scores, None
    # The left eye of who is in the mirror is the right one.
    points = landmarks[:, _MIRRORED_LANDMARKS]
    points[..., 0] = width - points[..., 0]
    return turned, scores, points


def _as_of_one(found: Detections, contract: DetectorContract) -> Detections:
    """Return what several looks found, with scores that mean as much as those of one look."""
    slope, offset = _ONE_LOOK
    scores = np.asarray(1 / (1 + np.exp(-(slope * logits(found.scores) + offset))), np.float32)
    kept = suppress(found.xyxy, scores, contract.nms_threshold)
    kept = kept[scores[kept] >= contract.det_threshold]
    return Detections(found.xyxy[kept], scores[kept], None if found.landmarks is None else found.landmarks[kept])


def _to_source(candidates: Candidates, plan: Letterbox, contract: DetectorContract) -> Detections:
    xyxy, scores, landmarks = candidates
    kept = suppress(xyxy, scores, contract.nms_threshold)
    scale: FloatArray = np.asarray(plan.scale_xy, np.float32)
    scale_xyxy: FloatArray = np.concatenate([scale, scale])
    return Detections(
        xyxy=grown(xyxy[kept] / scale_xyxy, contract.box_margin),
        scores=scores[kept],
        landmarks=None if landmarks is None else landmarks[kept] / scale,
    )


def load_detector(
    name: str = DEFAULT_DETECTOR,
    *,
    kind: str | None = None,
    provider: str = AUTO,
    threads: int | None = None,
    lanes: int = 1,
    det_threshold: float | None = None,
    det_size_wh: tuple[int, int] | None = None,
    nms_threshold: float | None = None,
    box_margin: float | None = None,
) -> OnnxDetector:
    """Open a face detector.

    Args:
        name: a shipped model's name, ``insightface:PACK``, or the path of an ONNX file. ``auto`` is
            ``retinaface-mask``, in int8 where that is as right and faster: on an x86 CPU with AVX2.
        kind: of a file without a contract: ``scrfd`` for one of insightface's own.
        provider: see ``providers.resolve_provider``.
        threads: of the CPU for each run; None for all that this process may use.
        lanes: runs at the same time; see ``session.create_session``.
        det_threshold: least score of a face, 0 to 1; None for the contract's.
        det_size_wh: frames are scaled to fit into this many pixels; None for the contract's.
        nms_threshold: see ``boxes.suppress``; None for the contract's.
        box_margin: by how much boxes are reported larger, 0 for the network's own; None for the contract's.

    Raises:
        ModelNotFoundError, ModelError, ContractError, ProviderError, RequestError.
    """
    if name == AUTO:
        name = best_precision_name(AUTO_DETECTOR, provider)
    file = find_model(name, "detector")
    if kind is None and name.startswith(INSIGHTFACE_PREFIX):
        kind = "scrfd"
    session = create_session(file, provider=provider, threads=threads, lanes=lanes)
    contract = _read_contract(session, file, kind)
    contract = _with_options(contract, det_threshold, det_size_wh, nms_threshold)
    return OnnxDetector(session, contract if box_margin is None else replace(contract, box_margin=box_margin))


def _read_contract(session: ort.InferenceSession, file: Path, kind: str | None) -> DetectorContract:
    if kind is not None and kind not in DETECTOR_KINDS:
        raise RequestError(f"unknown kind of detector {kind!r}: choose {', '.join(DETECTOR_KINDS)}")
    metadata = session.get_modelmeta().custom_metadata_map
    if METADATA_KEY not in metadata:
        if kind == "scrfd":
            return scrfd.insightface_contract(session, file.stem)
        raise ContractError(f"{file} carries no contract (metadata key {METADATA_KEY}): {_remedy(session, kind)}")
    contract = from_metadata(metadata, str(file))
    if not isinstance(contract, DetectorContract):
        raise ModelError(f"{file} is a classifier, expected a face detector")
    check_graph(session, contract, str(file))
    if kind is not None and kind != contract.kind:
        raise RequestError(f"{file} is a {contract.kind} by its contract, not a {kind}")
    return contract


def _remedy(session: ort.InferenceSession, kind: str | None) -> str:
    """Return what to do with a file without a contract, by what was said of it and by what it is."""
    if kind is None:
        return (
            "say --detector-kind scrfd for one of insightface's files, or let maskinfer adopt --task detector write one"
        )
    shapes = [output.shape for output in session.get_outputs()]
    widths = sorted(shape[-1] for shape in shapes if isinstance(shape[-1], int))
    if widths == sorted(_RETINAFACE_WIDTHS) and len(shapes) == len(widths):
        return (
            "a retinaface says its strides, anchors and preprocessing there; let maskinfer adopt --task detector "
            "--kind retinaface write one"
        )
    return (
        f"it has {len(shapes)} outputs ({', '.join(map(str, shapes))}), a retinaface has 3, of 4, 2 and 10 numbers a "
        "place; a detector that also tells masks, in one network, cannot be used here"
    )


def _check_size(contract: DetectorContract, size_wh: tuple[int, int]) -> None:
    asked = "the detector's size (--det-size) is {}x{}".format(*size_wh)
    if not all(contract.size_divisor <= side <= MOST_SIDE_PX for side in size_wh):
        raise RequestError(f"{asked}, expected {contract.size_divisor} to {MOST_SIDE_PX} pixels a side")
    if contract.fixed_size and size_wh != contract.size_wh:
        only = "{}x{}".format(*contract.size_wh)
        raise RequestError(f"{asked}, but {contract.name} takes {only} only: leave the option out")


def _with_options(
    contract: DetectorContract,
    det_threshold: float | None,
    det_size_wh: tuple[int, int] | None,
    nms_threshold: float | None,
) -> DetectorContract:
    for option, value in (("det_threshold", det_threshold), ("nms_threshold", nms_threshold)):
        if value is not None and not 0 < value < 1:
            raise RequestError(f"{option} is {value}, expected a number between 0 and 1")
    if det_size_wh is not None:
        _check_size(contract, det_size_wh)
    return replace(
        contract,
        det_threshold=contract.det_threshold if det_threshold is None else det_threshold,
        nms_threshold=contract.nms_threshold if nms_threshold is None else nms_threshold,
        size_wh=contract.size_wh if det_size_wh is None else det_size_wh,
    )
