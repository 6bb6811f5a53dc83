"""One peer in a process of its own: a clip annotated, or scenes looked at. Prints a line of JSON.

python -m benchmarks.one speed "naive loop" clip.mp4 --scrfd det.onnx --lecture checkpoint.pt
python -m benchmarks.one accuracy AIZOO dev/ --aizoo model360.onnx
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.peers import OUR_JOBS, PEERS, Files, Find, Found, OurJob, Peer, SkippedError, annotate
from maskinfer.engine.files.images import read_image
from maskinfer.engine.results import LABELS, Face, FrameResult
from maskinfer.training.data.scenes import Scene, read_scenes
from maskinfer.training.evaluation.box_fit import fit_box_factor, scale_result
from maskinfer.training.evaluation.matching import judge

PATH = click.Path(path_type=Path, exists=True)


@click.command(help=__doc__)
@click.argument("what", type=click.Choice(["speed", "accuracy"]))
@click.argument("name", type=click.Choice([peer.name for peer in PEERS]))
@click.argument("data", type=PATH)
@click.option("--scrfd", type=PATH)
@click.option("--lecture", type=PATH)
@click.option("--aizoo", type=PATH)
def main(what: str, name: str, data: Path, **files: Path | None) -> None:
    peer = next(peer for peer in PEERS if peer.name == name)
    try:
        versions = peer.versions()
        record = _speed(peer, data, Files(**files)) if what == "speed" else _accuracy(peer.open(Files(**files)), data)
        click.echo("\n" + json.dumps({**record, "versions": versions}))
    except SkippedError as reason:
        click.echo("\n" + json.dumps({"skipped": str(reason)}))


def _speed(peer: Peer, clip: Path, files: Files) -> dict[str, Any]:
    """Return frames and seconds, from the first frame read to the last one written; loading is left out."""
    with tempfile.TemporaryDirectory() as folder:
        if peer.name in OUR_JOBS:
            return _our_job(OUR_JOBS[peer.name], clip, Path(folder))
        out = Path(folder) / "out.mp4"
        find = peer.open(files)
        began_s = time.perf_counter()
        frames = annotate(clip, out, find)
        return {"frames": frames, "seconds": time.perf_counter() - began_s}


def _our_job(job: OurJob, clip: Path, folder: Path) -> dict[str, Any]:
    from maskinfer.engine.faces.track import TrackOptions
    from maskinfer.engine.jobs.video import run_video
    from maskinfer.engine.load import load
    from maskinfer.engine.sinks.copies.encoding import COPY, PLAIN_ENCODING, Encoding
    from maskinfer.engine.sinks.outputs import Outputs

    out = {"copy": folder / "out.mp4", "overlay": folder / "out.mkv", "results": None}[job.written]
    encoding = Encoding(COPY) if job.written == "overlay" else PLAIN_ENCODING
    outputs = Outputs(jsonl=str(folder / "out.jsonl")) if job.written == "results" else None
    engine = load(classifier=job.classifier, lanes=None)
    track = TrackOptions(detect_every=job.detect_every)
    began_s = time.perf_counter()
    summary = run_video(engine, clip, out, track=track, encoding=encoding, outputs=outputs)
    return {"frames": summary.frames, "seconds": time.perf_counter() - began_s}


def _accuracy(find: Find, data: Path) -> dict[str, Any]:
    """Return what ``_of_set`` says of each data set."""
    looked: dict[str, list[tuple[Scene, FrameResult]]] = defaultdict(list)
    for scene in read_scenes(data):
        looked[scene.set].append((scene, _as_result(find(read_image(scene.path)))))
    return {"sets": {name: _of_set(*zip(*rows, strict=True)) for name, rows in looked.items()}}


def _of_set(scenes: Sequence[Scene], results: Sequence[FrameResult]) -> dict[str, Any]:
    """Return what share of each label's faces was found and labelled right, and false positives an image.

    Boxes are scaled by the factor with which most faces are found: annotators draw them by habits of their own.
    """
    factor = fit_box_factor(scenes, results)
    faces, right, false = Counter[str](), Counter[str](), 0
    for i, (scene, result) in enumerate(zip(scenes, results, strict=True)):
        true, wrong = judge(i, scene, scale_result(result, factor))
        false += len(wrong)
        for face in true:
            faces[face.label] += 1
            right[face.label] += face.found is not None and face.found.label == face.label
    correct = {label: right[label] / faces[label] for label in LABELS if label in faces}
    return {"box_factor": factor, "correct": correct, "false_positives": false / len(scenes)}


def _as_result(found: list[Found]) -> FrameResult:
    faces = tuple(Face(face.xyxy, face.score, None, face.label, 1.0, {}) for face in found)
    return FrameResult("", 0, 0.0, (0, 0), faces)


if __name__ == "__main__":
    main()
