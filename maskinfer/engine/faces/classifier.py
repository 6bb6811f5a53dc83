"""The mask classifier: face crops in, a probability for every label out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from maskinfer.engine.catalog.contract_check import check_graph
from maskinfer.engine.catalog.find import best_precision_name, find_model
from maskinfer.engine.contract import BARE_OUTPUT, FACE_OUTPUT, ClassifierContract, CropRule, from_metadata
from maskinfer.engine.errors import ModelError, RequestError
from maskinfer.engine.faces.face_check import logits
from maskinfer.engine.faces.protocols import Look
from maskinfer.engine.presets import BALANCED, PRESETS
from maskinfer.engine.results import BGRBatch, FloatArray
from maskinfer.engine.runtime.preprocess import to_input
from maskinfer.engine.runtime.providers import AUTO
from maskinfer.engine.runtime.session import create_session, is_on_cpu, run_session

if TYPE_CHECKING:
    import onnxruntime as ort

DEFAULT_CLASSIFIER = AUTO
# What ``auto`` stands for, in the precision that is best here.
AUTO_CLASSIFIER = PRESETS[BALANCED].classifier
MAX_BATCH = 32
# There the time of a face is the same from 8 crops on, and onnxruntime keeps for good the memory that most crops took.
MAX_BATCH_ON_CPU = 8


@dataclass(frozen=True, slots=True)
class OnnxClassifier:
    """A classifier that runs an ONNX graph as its contract says.

    Attributes:
        session: runs the graph.
        contract: what its file says of it.
        mirrored: each crop is looked at twice, as it is and as in a mirror, and the mean of both counts.
    """

    session: ort.InferenceSession
    contract: ClassifierContract
    mirrored: bool = False

    def __call__(self, crops: BGRBatch) -> FloatArray:
        """Return the probabilities of each crop; see ``protocols.Classifier``."""
        return self.look(crops)[0]

    def look(self, crops: BGRBatch) -> Look:
        """Return all that the graph says of each crop; see ``protocols.Look``."""
        if not self.mirrored:
            return self._look(crops)
        return _mean(self._look(crops), self._look(np.ascontiguousarray(crops[:, :, ::-1])))

    def _look(self, crops: BGRBatch) -> Look:
        most = MAX_BATCH_ON_CPU if is_on_cpu(self.session) else MAX_BATCH
        batches = [crops[start : start + most] for start in range(0, len(crops), most)]
        outputs = [run_session(self.session, to_input(b, self.contract.input), self.contract.name) for b in batches]
        nothing = np.zeros((0, len(self.contract.labels)), np.float32)
        scores = np.concatenate([nothing, *(output[0] for output in outputs)])
        probabilities = _softmax(scores) if self.contract.output == "logits" else scores
        names = [output.name for output in self.session.get_outputs()]

        def column(name: str) -> FloatArray | None:
            """Return what an output of one number a crop says, if there is one of that name."""
            if name not in names:
                return None
            values = (np.reshape(output[names.index(name)], -1) for output in outputs)
            return np.concatenate([np.zeros(0, np.float32), *values])

        return Look(probabilities, column(FACE_OUTPUT), column(BARE_OUTPUT))

    @property
    def labels(self) -> tuple[str, ...]:
        """One for each column of the output, in its order."""
        return self.contract.labels

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of a crop in pixels."""
        return self.contract.size_wh

    @property
    def crop(self) -> CropRule:
        """How a face is cut from its frame."""
        return self.contract.crop


def _mean(one: Look, other: Look) -> Look:
    """Return the mean of the probabilities of labels, and of the logits of what is said beside them."""

    def between(first: FloatArray | None, second: FloatArray | None) -> FloatArray | None:
        if first is None or second is None:
            return None
        return np.asarray(1 / (1 + np.exp(-(logits(first) + logits(second)) / 2)), np.float32)

    probabilities = np.asarray((one.probabilities + other.probabilities) / 2, np.float32)
    return Look(probabilities, between(one.face, other.face), between(one.bare, other.bare))


def _softmax(scores: FloatArray) -> FloatArray:
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), np.float32)


def load_classifier(
    name: str = DEFAULT_CLASSIFIER,
    *,
    provider: str = AUTO,
    threads: int | None = None,
    lanes: int = 1,
) -> OnnxClassifier:
    """Open a mask classifier.

    Args:
        name: a shipped model's name or the path of an ONNX file that carries a contract. ``auto`` is
            ``mobilenetv2-128``, in int8 where that is as right and faster: on an x86 CPU with AVX2.
        provider: see ``providers.resolve_provider``.
        threads: of the CPU for each run; None for all that this process may use.
        lanes: runs at the same time; see ``session.create_session``.

    Raises:
        ModelNotFoundError, ModelError, ContractError, ProviderError.
    """
    if name == AUTO:
        name = best_precision_name(AUTO_CLASSIFIER, provider)
    file = find_model(name, "classifier")
    session = create_session(file, provider=provider, threads=threads, lanes=lanes)
    contract = from_metadata(session.get_modelmeta().custom_metadata_map, str(file))
    if not isinstance(contract, ClassifierContract):
        raise ModelError(f"{file} is a face detector, expected a mask classifier")
    check_graph(session, contract, str(file))
    return OnnxClassifier(session, contract)


def threshold_for(contract: ClassifierContract, max_error: float) -> float:
    """Return the least probability from which on a classifier's labels are wrong at most so often, by its contract.

    Args:
        contract: the classifier's.
        max_error: greatest share of wrong labels, over 0 and under 1.

    Raises:
        RequestError: the contract states no score for an error rate so small.
    """
    fitting = [threshold for error, threshold in contract.error_thresholds if error <= max_error]
    if fitting:
        return min(fitting)
    known = ", ".join(f"{error:g}" for error, _ in contract.error_thresholds)
    if known:
        raise RequestError(
            f"max_error (--max-error) is {max_error:g}, but {contract.name} states scores for {known} only"
        )
    raise RequestError(
        f"max_error (--max-error) needs a classifier whose file says how often it errs, and {contract.name} does not: "
        "measure it with `maskinfer evaluate --json` and write it with `maskinfer calibrate`, or give the lowest score "
        "itself (--uncertain-below)"
    )
