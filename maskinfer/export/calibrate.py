"""From what was measured of a classifier to its file, which then says how often it errs and how it tells faces."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx

from maskinfer.engine.catalog.find import find_model
from maskinfer.engine.contract import ClassifierContract, FaceCheck, SecondLook, from_metadata
from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.classifier import OnnxClassifier
from maskinfer.engine.faces.detector import AUTO_DETECTOR, load_detector
from maskinfer.engine.files.atomic import atomic_write, check_writable
from maskinfer.engine.files.places import refuse_overwriting
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.engine.runtime.session import create_session
from maskinfer.export.bare import add_bare_output
from maskinfer.export.face_check import PROPOSALS_FROM, fit_face_check
from maskinfer.export.metadata import write_contract
from maskinfer.export.priors import change_priors
from maskinfer.training.data.bare import read_bare_faces
from maskinfer.training.data.scenes import read_scenes

Pairs = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class CalibrateSummary:
    """What was written.

    Attributes:
        out: the ONNX file.
        thresholds: pairs of a share of wrong labels and the least probability for it; empty if not asked for.
        face_check: how it tells faces; None if not asked for.
        bare_faces: of how many faces it learnt what a badly worn mask leaves uncovered; 0 if not asked for.
        priors: how often each label is now taken to occur; empty if not asked for.
        second_look: how it looks at doubtful faces again; None if not asked for.
    """

    out: Path
    thresholds: Pairs = ()
    face_check: FaceCheck | None = None
    bare_faces: int = 0
    priors: Mapping[str, float] = field(default_factory=dict)
    second_look: SecondLook | None = None

    def __str__(self) -> str:
        """Return it as one line for the reader."""
        said = [f"{error:.1%} wrong from {threshold:.3f}" for error, threshold in self.thresholds]
        parts = [f"at most {', '.join(said)}"] if said else []
        if self.face_check is not None:
            check = self.face_check
            parts.append(
                f"a face from {check.threshold:g} behind {check.detectors[0]}, of {check.weight:g} x its own logit "
                f"+ {check.detector_weight:g} x the detector's {check.bias:+g}"
            )
        if self.bare_faces:
            parts.append(f"tells what a badly worn mask leaves bare, learnt from {self.bare_faces} faces")
        if self.priors:
            parts.append("priors " + ", ".join(f"{label} {share:g}" for label, share in self.priors.items()))
        if self.second_look is not None:
            look = self.second_look
            parts.append(f"looks again at faces under {look.below:g}, with a margin of {look.margin:g}")
        return f"wrote {self.out}: {'; '.join(parts)}"


def calibrate(
    model: str,
    figures: Path | None,
    out: Path,
    *,
    faces: Path | None = None,
    proposals_from: float = PROPOSALS_FROM,
    false_positives: float | None = None,
    bare: Sequence[Path] = (),
    priors: Mapping[str, float] | None = None,
    second_look: SecondLook | None = None,
    version: str | None = None,
    detector: str = AUTO_DETECTOR,
    progress: Progress = SILENT,
) -> CalibrateSummary:
    """Write a copy of a classifier whose contract says from which probability on its labels err at most so often.

    Args:
        model: a shipped model's name, or an ONNX file with a contract.
        figures: that ``maskinfer evaluate --json`` wrote of it, on faces that no training saw.
        out: the ONNX file; it appears when it is whole.
        faces: annotated scenes; the contract then says too how it tells faces behind the detector.
        proposals_from, false_positives: of the former; see ``fit_face_check``.
        bare: training folders whose pictures say what badly worn masks leave uncovered (``training.data.bare``); the
            graph then has an output that tells it.
        priors: how often each label occurs where the model will be used; None leaves it as it is.
        second_look: how it looks at doubtful faces again; None leaves it as it is.
        version: of the new file; None for the model's.
        detector: a shipped model's name, or an ONNX file with a contract.
        progress: told of each of those scenes or pictures.

    Raises:
        ModelNotFoundError, ModelError, ContractError: the model cannot be read.
        RequestError: it is no classifier, the figures cannot be read, are another model's or vouch for nothing, or
            ``out`` is the model. OutputError: ``out`` cannot be written.
    """
    file = find_model(model, "classifier")
    refuse_overwriting([out], [file, *(path for path in (figures, faces) if path is not None)])
    check_writable(out)
    session = create_session(file, provider="cpu", threads=1)
    contract = from_metadata(session.get_modelmeta().custom_metadata_map, str(file))
    if not isinstance(contract, ClassifierContract):
        raise RequestError(f"{file} is a face detector, expected a mask classifier")
    if figures is None and faces is None and not bare and not priors and second_look is None:
        raise RequestError(
            "nothing to learn from: give figures, annotated scenes, faces of which is known what is bare, priors, or a "
            "second look"
        )
    # Other priors and more looks err otherwise.
    thresholds = () if priors or second_look is not None else contract.error_thresholds
    if figures is not None:
        thresholds = _read_thresholds(figures, f"{contract.name} (version {contract.version})")
    check = contract.face_check
    if faces is not None:
        finder = load_detector(detector, provider="cpu")
        check = fit_face_check(
            OnnxClassifier(session, contract),
            finder,
            read_scenes(faces),
            progress,
            proposals_from=proposals_from,
            false_positives=false_positives,
        )
    graph = onnx.load(str(file))
    if priors:
        contract = change_priors(graph, contract, priors)
    known = read_bare_faces(bare) if bare else []
    if known:
        add_bare_output(graph, contract, load_detector(detector, provider="cpu", box_margin=0.0), known, progress)
    tells_bare = bool(known) or contract.tells_bare
    contract = replace(
        contract,
        error_thresholds=thresholds,
        face_check=check,
        second_look=second_look or contract.second_look,
        tells_bare=tells_bare,
    )
    write_contract(graph, replace(contract, version=version or contract.version))
    data = graph.SerializeToString()
    with atomic_write(out) as partial:
        partial.write_bytes(data)
    return CalibrateSummary(
        out,
        () if figures is None else thresholds,
        None if faces is None else check,
        bare_faces=len(known),
        priors=priors or {},
        second_look=second_look,
    )


def _read_thresholds(figures: Path, named: str) -> Pairs:
    try:
        record = json.loads(figures.read_text(encoding="utf-8"))["all"]
        of, rows = record["setup"]["classifier"], _rows(record)
        pairs = tuple((float(row["max_error"]), float(row["value"])) for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{figures} holds no figures of `maskinfer evaluate --json`: {error!r}") from error
    if of != named:
        raise RequestError(f"{figures} holds the figures of {of}, not of {named}")
    if not pairs:
        raise RequestError(
            f"{figures} holds no score from which on errors are rare: too many errors at high scores, or too few faces"
        )
    return pairs


def _rows(record: dict[str, Any]) -> Sequence[dict[str, Any]]:
    return record["confidence"]["thresholds"] if record["confidence"] else []
