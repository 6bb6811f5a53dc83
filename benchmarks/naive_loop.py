"""The loop that a user would write first: one frame after the other, one face after the other.

insightface's SCRFD finds the faces, a torch MobileNetV2 of 224 px labels each, OpenCV reads and writes. Its weights
are random: only its speed is measured here.

    python -m benchmarks.naive_loop clip.mp4 out.mp4 --scrfd det_500m.onnx
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]


def load_detector(file: Path) -> Callable[[Frame], NDArray[np.float32]]:
    from insightface.model_zoo.scrfd import SCRFD

    detector = SCRFD(str(file))
    detector.prepare(-1, input_size=(640, 640), det_thresh=0.5)
    return lambda frame: detector.detect(frame)[0]


def load_classifier() -> Callable[[Frame], int]:
    import torch
    from torchvision.models import mobilenet_v2

    model = mobilenet_v2(num_classes=3).eval()
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)

    def classify(face: Frame) -> int:
        rgb = cv2.cvtColor(cv2.resize(face, (224, 224)), cv2.COLOR_BGR2RGB)
        pixels = torch.from_numpy(rgb).permute(2, 0, 1).float() / 255
        with torch.no_grad():
            return int(model(((pixels - mean) / std)[None]).argmax())

    return classify


def annotate(source: Path, out: Path, detect: Callable[[Frame], Any], classify: Callable[[Frame], int]) -> int:
    """Write the annotated clip; return the number of frames."""
    reader = cv2.VideoCapture(str(source))
    size = (int(reader.get(cv2.CAP_PROP_FRAME_WIDTH)), int(reader.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    codec = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(out), codec, reader.get(cv2.CAP_PROP_FPS), size)
    frames = 0
    while True:
        ok, frame = reader.read()
        if not ok:
            break
        for box in detect(frame):  # type: ignore[arg-type]
            x0, y0, x1, y1 = (max(0, int(v)) for v in box[:4])
            face = frame[y0:y1, x0:x1]
            if face.size:
                label = classify(face)  # type: ignore[arg-type]
                cv2.rectangle(frame, (x0, y0), (x1, y1), (0, 255, 0), 2)
                cv2.putText(frame, str(label), (x0, y0), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 255, 0), 2)
        writer.write(frame)
        frames += 1
    reader.release()
    writer.release()
    return frames


@click.command(help=__doc__)
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--scrfd", type=click.Path(path_type=Path), required=True, help="One of insightface's SCRFD files.")
def main(source: Path, out: Path, scrfd: Path) -> None:
    detect, classify = load_detector(scrfd), load_classifier()
    start = time.perf_counter()
    frames = annotate(source, out, detect, classify)
    click.echo(json.dumps({"frames": frames, "seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main()
