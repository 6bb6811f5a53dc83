"""Model cards (Mitchell et al., "Model Cards for Model Reporting", FAT* 2019), generated from what was measured.

A card says what the model's contract says, the figures that ``maskinfer evaluate --json`` wrote, where the training
data is from, and what people found out; the last from a TOML file of notes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maskinfer.engine.catalog.contract_check import check_graph
from maskinfer.engine.catalog.find import ANY_TASK, find_model
from maskinfer.engine.contract import ClassifierContract, Contract, DetectorContract, from_metadata
from maskinfer.engine.errors import RequestError
from maskinfer.engine.files.checks import sha256_of
from maskinfer.engine.results import label_order
from maskinfer.engine.runtime.session import create_session
from maskinfer.engine.schema import from_plain, parse_toml
from maskinfer.training.data.rights import NONE_STATED, Rights
from maskinfer.training.evaluation.report.skin import skin_table

_THRESHOLDS = (0.4, 0.5, 0.6)
RIGHTS = """None of these sets is known to have clean rights in its images. The code is MIT; check whether you may use
the weights for your purpose."""
USE = """The model is made to count, to remind and to measure. It must not be used to identify anyone, nor as the only
ground for a sanction. It has not been measured by age or kind of head cover."""


@dataclass(frozen=True, slots=True)
class DataNote:
    """What is known of a data set.

    Attributes:
        count: how much of it.
        source: where it is from, and its licence.
        rights: in its pictures, as its publisher states them.
    """

    count: str = ""
    rights: Rights = NONE_STATED
    source: str = "source and licence not stated"


@dataclass(frozen=True, slots=True)
class Notes:
    """What people say of a model, in Markdown.

    Attributes:
        about: what it is.
        made_by: the commands, and what they took.
        measured_on: what the figures are of.
        measured: more that was measured.
        wrong: what it gets wrong.
        tried: what was tried, with and without gain.
        data: of each training set, how much of it, its source and its licence.
    """

    about: str = ""
    made_by: str = ""
    measured_on: str = ""
    measured: str = ""
    wrong: str = ""
    tried: str = ""
    data: Mapping[str, DataNote] = field(default_factory=dict)


def read_notes(file: Path) -> Notes:
    """Read notes from a TOML file.

    Raises:
        RequestError: it is not there, not TOML, or holds what is not known.
    """
    try:
        said = parse_toml(file.read_text(encoding="utf-8"))
        texts = {key: value.strip() if isinstance(value, str) else value for key, value in said.items()}
        return from_plain(texts, Notes)
    except (OSError, ValueError) as error:
        raise RequestError(f"{file} holds no notes for a card: {error}") from error


def make_card(model: str, figures: Path | None = None, notes: Path | None = None) -> str:
    """Return a model's card in Markdown.

    Args:
        model: a shipped model's name, or an ONNX file with a contract.
        figures: that ``maskinfer evaluate --json`` wrote of it.
        notes: see ``Notes``.

    Raises:
        ModelNotFoundError, ModelError, ContractError: the model cannot be read.
        RequestError: figures or notes cannot, or the figures are another model's.
    """
    file = find_model(model, ANY_TASK)
    session = create_session(file, provider="cpu", threads=1)
    contract = from_metadata(session.get_modelmeta().custom_metadata_map, str(file))
    check_graph(session, contract, str(file))
    said = Notes() if notes is None else read_notes(notes)
    parts = [
        ("", said.about),
        ("Not equally right for everybody", _people(contract, figures)),
        ("Contract", _contract(file, contract)),
        ("How it was made", said.made_by),
        ("Training data and rights", _data(contract, said.data)),
        ("Figures", "\n\n".join(filter(None, [said.measured_on, _figures(contract, figures), said.measured]))),
        ("What it gets wrong", said.wrong),
        ("What was tried", said.tried),
        ("Use", USE),
    ]
    body = [f"## {title}\n\n{text}" if title else text for title, text in parts if text]
    return "\n\n".join([f"# {contract.name}", *body]) + "\n"


def _contract(file: Path, contract: Contract) -> str:
    rows = [
        ("file", f"`{file.name}`, {file.stat().st_size / 1e6:.1f} MB, SHA-256 `{sha256_of(file)}`"),
        ("version", contract.version),
        ("licence", contract.licence),
        ("input", _input(contract)),
        *(_classifier_rows(contract) if isinstance(contract, ClassifierContract) else _detector_rows(contract)),
        ("measured", ", ".join(f"{name} {value:g}" for name, value in contract.metrics.items())),
        ("largest difference from its origin", "" if contract.parity is None else f"{contract.parity:.1e}"),
        ("weights it was made from", contract.source_sha256 and f"SHA-256 `{contract.source_sha256}`"),
    ]
    lines = [f"| {name} | {value} |" for name, value in rows if value]
    return "\n".join(["| | |", "|---|---|", *lines])


def _input(contract: Contract) -> str:
    """Say what the graph takes; preprocessing that lies in the graph is not named."""
    spec, (width, height) = contract.input, contract.size_wh
    scaled = "" if spec.dtype == "uint8" else f", minus {list(spec.mean)}, divided by {list(spec.std)}"
    return f"{spec.dtype} {spec.layout}, {spec.colour_order}, {width}x{height}{scaled}"


def _classifier_rows(contract: ClassifierContract) -> list[tuple[str, str]]:
    crop = f"{'square' if contract.crop.square else 'stretched'}, margin {contract.crop.margin:g} of the side"
    return [
        ("crop", f"the detector's box, {crop}, border {contract.crop.border}"),
        ("output", f"{contract.output}: {', '.join(f'`{label}`' for label in contract.labels)}"),
        ("temperature", f"{contract.temperature:g}"),
        ("priors", ", ".join(f"`{label}` {share:g}" for label, share in contract.priors.items())),
        ("lowest score for `--max-error`", _error_thresholds(contract)),
    ]


def _detector_rows(contract: DetectorContract) -> list[tuple[str, str]]:
    anchors = "; ".join(", ".join(f"{side:g}" for side in sides) for sides in contract.anchors)
    return [
        ("kind", contract.kind),
        ("strides", ", ".join(map(str, contract.strides))),
        ("anchors, px", anchors),
        ("default threshold", f"{contract.det_threshold:g}"),
        ("non-maximum suppression", f"IoU over {contract.nms_threshold:g}"),
        ("boxes", f"enlarged by {contract.box_margin:g} of the side on each side"),
    ]


def _error_thresholds(contract: ClassifierContract) -> str:
    return "; ".join(f"{error:g}: score {threshold:.3f}" for error, threshold in contract.error_thresholds)


def _data(contract: Contract, known: Mapping[str, DataNote]) -> str:
    names = [*contract.training_data, *(name for name in known if name not in contract.training_data)]
    if not names:
        return ""
    lines = ["| set | amount | rights in the pictures | source and licence |", "|---|---|---|---|"]
    for name in names:
        said = known.get(name, DataNote())
        lines.append(f"| `{name}` | {said.count} | {said.rights} | {said.source} |")
    return "\n".join([*lines, "", RIGHTS])


def _figures(contract: Contract, file: Path | None) -> str:
    if file is None:
        return ""
    record = _read_figures(contract, file)
    if isinstance(contract, DetectorContract):
        return _detector_table(record["all"]["detector"])
    figures = record["all"]
    parts = [
        _set_table(record),
        _label_table(figures),
        _size_table(figures["sizes"]),
        _confidence(figures["confidence"]),
    ]
    return "\n\n".join(filter(None, parts))


def _people(contract: Contract, file: Path | None) -> str:
    if file is None or isinstance(contract, DetectorContract):
        return ""
    return skin_table(_read_figures(contract, file)["all"])


def _read_figures(contract: Contract, file: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        of = record["all"]["setup"]["classifier" if isinstance(contract, ClassifierContract) else "detector"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{file} holds no figures of `maskinfer evaluate --json`: {error!r}") from error
    named = f"{contract.name} (version {contract.version})"
    if of != named:
        raise RequestError(f"{file} holds the figures of {of}, not of {named}")
    return record


def _set_table(record: Mapping[str, Any]) -> str:
    """Return the figures of each data set, their mean first: what models and thresholds are chosen by."""
    over = record["all"].get("over_sets")
    if over is None:
        return ""
    lines = [
        "Macro recall, the mean over labels of the share of faces that are found and labelled right. The first line "
        "gives each data set the same weight.\n",
        "| | macro recall, two labels | macro recall, three labels | false positives per image |",
        "|---|---|---|---|",
        f"| **mean over sets** | {_share(over, 'correct2')} | {_share(over, 'correct3')} | "
        f"{over.get('false_positives_per_image', float('nan')):.2f} |",
    ]
    for name, row in record.items():
        if name != "all":
            cells = f"{_share(row, 'correct2')} | {_share(row, 'correct3')} | {row['false_positives_per_image']:.2f}"
            lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def _label_table(figures: Mapping[str, Any]) -> str:
    present = label_order(figures["classes"])
    lines = [
        "| | faces | found | labelled right, of those found | found and labelled right "
        f"| labelled as {' / '.join(present)} |",
        "|---|---|---|---|---|---|",
    ]
    for label in present:
        row, said = figures["classes"][label], figures["confusion"].get(label, {})
        shares = " | ".join(_share(row, name) for name in ("recall", "accuracy", "correct"))
        counts = " / ".join(f"{said.get(other, 0):,}" for other in present)
        lines.append(f"| {label} | {row['faces']:,} | {shares} | {counts} |")
    return "\n".join(lines)


def _size_table(sizes: Mapping[str, Any]) -> str:
    present = label_order(label for size in sizes.values() for label in size["classes"])
    lines = [
        "Share of the found faces that are labelled right, by the shorter side of the face:\n",
        f"| | {' | '.join(present)} |",
        "|---|" + "---|" * len(present),
    ]
    for name, size in sizes.items():
        cells = [_share(size["classes"][label], "accuracy") if label in size["classes"] else "" for label in present]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _share(row: Mapping[str, Any], name: str) -> str:
    low, high = row[f"{name}_95"]
    return f"{row[name]:.3f} ({low:.3f}-{high:.3f})"


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _confidence(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    text = (
        f"The expected calibration error is {found['calibration_error']:.3f}; a perfectly calibrated model would "
        f"show {found['calibration_error_by_chance']:.3f} by chance."
    )
    chosen = found["threshold"]
    if chosen is not None:
        text += (
            f" With `--uncertain-below {chosen['value']:.2f}`, at most {_percent(found['max_error'], 0)} of the labels "
            f"are wrong: {_percent(chosen['coverage'])} of the found faces then get a label, and "
            f"{_percent(chosen['error'])} of these labels are wrong on these faces (with 95 % confidence, at most "
            f"{_percent(chosen['error_bound'])}). The threshold was chosen on the same faces, so check it on others."
        )
    return text


def _detector_table(found: Mapping[str, Any]) -> str:
    curve = found["curve"]
    lines = ["| threshold | masked faces found | bare faces found | false positives per image |", "|---|---|---|---|"]
    if curve is None:
        lines.append(f"| its own | {_share(found, 'masked')} | {_share(found, 'bare')} | |")
        return "\n".join(lines)
    for wanted in _THRESHOLDS:
        i = min(range(len(curve["threshold"])), key=lambda i: abs(curve["threshold"][i] - wanted))
        cells = f"{curve['masked'][i]:.3f} | {curve['bare'][i]:.3f} | {curve['false_positives_per_image'][i]:.2f}"
        lines.append(f"| {wanted:g} | {cells} |")
    return "\n".join(lines)
