"""Fine-tuning from a shipped or promoted classifier: folders of a place's faces in, a model file out."""

from __future__ import annotations

import hashlib
import sys
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import torch

from maskinfer.engine.catalog.find import find_model
from maskinfer.engine.catalog.lineage import LINEAGE_FILE
from maskinfer.engine.contract import METADATA_KEY, ClassifierContract, to_json
from maskinfer.engine.errors import RequestError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.files.checks import sha256_of
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.training.classifier.dataset import DOUBTFUL_SCORE, Indices, Pictures, as_deployed, join
from maskinfer.training.classifier.tuning.graph import GraphNetwork, load_network, read_graph, with_weights
from maskinfer.training.classifier.tuning.loop import tune_network
from maskinfer.training.classifier.tuning.new_labels import fit_new_labels
from maskinfer.training.classifier.tuning.schedule import TuningPlan, plan
from maskinfer.training.classifier.tuning.widen import widened
from maskinfer.training.classifier.windows.faces import NO_FACE, Faces, collect_faces
from maskinfer.training.data.audit.short import tell_audit
from maskinfer.training.run_folder import cleared_if_nothing_begun, environment, make_folder, to_text

MODEL = "model.onnx"
LEAST_FACES = 10
# Measured: see docs/guides/your-own-door.md. With new labels the weights at the beginning, whose last layer alone was
# fitted, are worth less than those in the end.
KEEP, KEEP_WITH_NEW_LABELS = 0.7, 0.0
_BATCH = 64
Before = tuple[float, float]


@dataclass(frozen=True, slots=True)
class TuneSummary:
    """What a fine-tuning did.

    Attributes:
        out: the run folder.
        faces: of the place, that were learnt from.
        rehearsed: further faces that were only held on to.
        seconds: reading and training took.
        peak_bytes: the most memory that the process has held so far; None where the system does not say.
        accuracy: on the pictures to test on, before and after; None where there were none.
    """

    out: Path
    faces: int
    rehearsed: int
    seconds: float
    peak_bytes: int | None
    accuracy: Before | None

    def __str__(self) -> str:
        """Return it as one line for the reader."""
        held = "" if self.peak_bytes is None else f", with {self.peak_bytes / 1e9:.1f} GB of memory at most"
        others = f" and held on to {self.rehearsed} others" if self.rehearsed else ""
        tested = ""
        if self.accuracy is not None:
            tested = f"; of the faces to test on right: {self.accuracy[0]:.4f} before, {self.accuracy[1]:.4f} now"
        return (
            f"learnt from {self.faces} faces{others} in {self.seconds / 60:.1f} min{held}{tested}; "
            f"wrote {self.out / MODEL}: maskinfer compare says whether it is better"
        )


def tune(
    start: str,
    data: Sequence[Path],
    out: Path,
    *,
    keep: float | None = None,
    rehearse: Sequence[Path] = (),
    dev: Sequence[Path] = (),
    added: Sequence[str] = (),
    seed: int = 7,
    progress: Progress = SILENT,
) -> TuneSummary:
    """Tune a classifier on the faces of a place and write its run folder.

    The folder holds ``model.onnx``, with the contract of the old model but for what has to be measured anew (the
    thresholds for error rates), and ``lineage.json`` and ``environment.json``, which say how it came about.

    Args:
        start: name or file of the classifier to begin from.
        data: folders of the place's pictures; see ``samples``.
        out: the run folder; it is made, and must be empty if it exists.
        keep: share of the old weights in the new model, from 0, and under 1, see ``loop.tune_network``; None for 0.7,
            or 0 with new labels.
        rehearse: folders of other pictures, whose labels are not learnt: the old model's answers are held on to.
        dev: folders of pictures to report on, that are not learnt from.
        added: labels that the old model does not know.
        seed: of everything random.
        progress: told of the stages checking, reading and training, and of what is wrong with the data.

    Raises:
        ModelError: the classifier cannot be tuned. RequestError: there are too few faces, or none of some label.
        SourceError: the data cannot be read. OutputError: the folder cannot be written.
    """
    keep = (KEEP_WITH_NEW_LABELS if added else KEEP) if keep is None else keep
    file = find_model(start, "classifier")
    teacher = load_network(file)
    graph = read_graph(file)
    if added:
        graph = widened(graph, teacher.contract, added)
    network = GraphNetwork(graph, str(file))
    plan(network.contract, 1, keep, seed)
    make_folder(out)
    with cleared_if_nothing_begun(out, resume=False):
        started = time.monotonic()
        tell_audit(data, dev, progress)
        progress.describe("reading")
        labels = network.contract.labels
        own = collect_faces(data, labels, progress, no_faces=network.contract.face_check is not None)
        _refuse_too_little(own, labels, data, added)
        others = collect_faces(rehearse, labels, progress) if rehearse else None
        pictures = _pictures(own) if others is None else join(_pictures(own), _pictures(others))
        mine, none = np.flatnonzero(own.labels != NO_FACE), np.flatnonzero(own.labels == NO_FACE)
        held = np.arange(len(own.labels), len(pictures.labels))
        chosen = plan(network.contract, count_faces(own), keep, seed)
        progress.describe("training")
        if added:
            fit_new_labels(network, pictures, mine, len(teacher.contract.labels), len(added), chosen.recipe)
        tune_network(network, teacher, pictures, mine, held, none, chosen, progress)
        seconds = time.monotonic() - started
        tested = _test(teacher, network, dev, chosen, progress) if dev else None
        lineage = {
            "parent": start,
            "parent_sha256": sha256_of(file),
            "faces": count_faces(own),
            "labels": dict(Counter(labels[label] for label in own.labels[mine])),
            "no_faces": len(none),
            "rehearsed": 0 if others is None else count_faces(others),
            "keep": keep,
            "added": list(added),
            "steps": chosen.steps,
            "seed": seed,
            "data": [_data(folder) for folder in data],
            "rehearse": [_data(folder) for folder in rehearse],
            "dev": [_data(folder) for folder in dev],
        }
        sets = {*own.sets, *(() if others is None else others.sets)}
        contract = _contract(network.contract, file, sets)
        if added:
            contract = replace(contract, priors=_shares(own.labels[mine], labels))
        _write(out, graph, contract, network, lineage, tested)
        return TuneSummary(out, count_faces(own), _count(others), seconds, peak_bytes(), tested)


def _pictures(faces: Faces) -> Pictures:
    doubtful = faces.scores < DOUBTFUL_SCORE
    return Pictures(faces.windows, faces.labels, faces.sets, faces.sources, faces.turned, doubtful)


def count_faces(faces: Faces) -> int:
    """Return how many faces there are; one of an annotated scene may be cut twice, see ``collect_faces``."""
    detected = ~np.isnan(faces.scores)
    sources = np.asarray(faces.sources, object)
    annotated = Counter(sources[~detected & (faces.labels != NO_FACE)])
    found = Counter(sources[detected & (faces.labels != NO_FACE)])
    return sum(max(annotated[source], found[source]) for source in {*annotated, *found})


def _count(faces: Faces | None) -> int:
    return 0 if faces is None else count_faces(faces)


def _refuse_too_little(faces: Faces, labels: Sequence[str], data: Sequence[Path], added: Sequence[str]) -> None:
    found = Counter(labels[label] for label in faces.labels if label != NO_FACE)
    missing = next((label for label in added if label not in found), None)
    if missing is not None:
        raise RequestError(f"{', '.join(map(str, data))} shows no face with the new label {missing}")
    if len(found) < 2 or count_faces(faces) < LEAST_FACES:
        raise RequestError(
            f"{', '.join(map(str, data))} shows too little to learn from ({', '.join(found)}; {count_faces(faces)} "
            f"faces): expected at least {LEAST_FACES} faces, of two labels or more"
        )


def _test(
    teacher: GraphNetwork, network: GraphNetwork, dev: Sequence[Path], chosen: TuningPlan, progress: Progress
) -> Before:
    """Return the share of the faces that the detector finds and that each network labels right."""
    progress.describe("testing")
    faces = collect_faces(dev, chosen.recipe.labels, progress)
    seen = np.flatnonzero(~np.isnan(faces.scores))
    pictures = _pictures(faces)
    return _accuracy(teacher, pictures, seen, chosen), _accuracy(network, pictures, seen, chosen)


def _accuracy(network: GraphNetwork, pictures: Pictures, indices: Indices, chosen: TuningPlan) -> float:
    right = 0
    with torch.inference_mode():
        for first in range(0, len(indices), _BATCH):
            ids = indices[first : first + _BATCH]
            crops = np.stack([as_deployed(pictures.images[i], chosen.recipe) for i in ids])
            best = network(torch.from_numpy(crops)).logits.argmax(1).numpy()
            right += int((best == pictures.labels[ids]).sum())
    return right / max(1, len(indices))


def _contract(was: ClassifierContract, parent: Path, sets: Collection[str]) -> ClassifierContract:
    """Return the contract of a model that was tuned: what has to be measured anew is left out."""
    return replace(
        was,
        name=f"{was.name.removesuffix('-tuned')}-tuned",
        training_data=tuple(sorted({*was.training_data, *sets})),
        error_thresholds=(),
        source_sha256=sha256_of(parent),
        parity=None,
        metrics={},
    )


def _shares(indices: Indices, labels: Sequence[str]) -> dict[str, float]:
    """Return the share of each label among faces; empty if there is a label that none of them has."""
    shares = {label: float((indices == i).mean()) for i, label in enumerate(labels)}
    return shares if all(shares.values()) else {}


def _write(
    out: Path,
    graph: onnx.ModelProto,
    contract: ClassifierContract,
    network: GraphNetwork,
    lineage: Mapping[str, object],
    tested: Before | None,
) -> None:
    graph = with_weights(graph, network)
    next(entry for entry in graph.metadata_props if entry.key == METADATA_KEY).value = to_json(contract)
    data = graph.SerializeToString()
    with atomic_write(out / MODEL) as partial:
        partial.write_bytes(data)
    report = {} if tested is None else {"accuracy_before": tested[0], "accuracy": tested[1]}
    lineage = {"sha256": hashlib.sha256(data).hexdigest(), **lineage, **report}
    for name, content in ((LINEAGE_FILE, lineage), ("environment.json", environment(torch.device("cpu")))):
        with atomic_write(out / name) as partial:
            partial.write_text(to_text(content), encoding="utf-8")


def _data(folder: Path) -> dict[str, str]:
    """Return where data lay, and a checksum of what was said of them."""
    lists = sorted(folder.glob("*.jsonl")) if folder.is_dir() else [folder]
    key = hashlib.sha256()
    for file in lists or sorted(path for path in folder.rglob("*") if path.is_file()):
        key.update(str(file.relative_to(folder) if folder.is_dir() else file.name).encode())
        key.update(file.read_bytes())
    return {"folder": str(folder), "sha256": key.hexdigest()}


def peak_bytes() -> int | None:
    """Return the most memory that this process has held so far; None where the system does not say."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else held * 1024
