"""Pictures of drawn masks: bare faces of training folders, each wearing a mask well or badly."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from maskinfer.engine.errors import OutputError, RequestError, SourceNotFoundError, nothing_begun
from maskinfer.engine.faces.detector import AUTO_DETECTOR, OnnxDetector, load_detector
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.files.images import read_image, write_image
from maskinfer.engine.flow.progress import SILENT, Progress, counted
from maskinfer.engine.results import WITHOUT_MASK
from maskinfer.training.data.masks.draw import STYLES, WEARS, bare_of_wear, draw_mask, label_of_wear
from maskinfer.training.data.masks.occluders import draw_visor
from maskinfer.training.data.masks.synth_faces import bare_faces
from maskinfer.training.data.masks.synth_sheet import write_sheet
from maskinfer.training.data.samples import CROPS_FILE, LabelledImage, read_samples

SET = "synth"
DEFAULT_SHARES: Mapping[str, float] = {
    "correct": 0.30,
    "below_nose": 0.30,
    "below_mouth": 0.11,
    "chin": 0.17,
    "forehead": 0.06,
    "eyes": 0.06,
}
DEFAULT_VISORS = 0.08
_PICTURES = "pictures"


@dataclass(frozen=True, slots=True)
class SynthSummary:
    """What was drawn.

    Attributes:
        out: the folder.
        pictures: how many pictures of bare faces were looked at.
        labels, wears, styles: how many drawn faces have each.
        visors: how many are behind a face shield.
    """

    out: Path
    pictures: int
    labels: Mapping[str, int] = field(default_factory=dict)
    wears: Mapping[str, int] = field(default_factory=dict)
    styles: Mapping[str, int] = field(default_factory=dict)
    visors: int = 0

    def __str__(self) -> str:
        """Return a line for the total and one each for labels, wears and styles."""
        lines = [f"{sum(self.labels.values())} masks drawn on the faces of {self.pictures} pictures: {self.out}"]
        for name in ("labels", "wears", "styles"):
            counts = getattr(self, name)
            lines.append(f"  {name}: " + ", ".join(f"{key} {counts[key]}" for key in sorted(counts)))
        return "\n".join([*lines, f"  behind a visor: {self.visors}"])


def synthesize(
    folders: Sequence[Path],
    out: Path,
    *,
    per_face: int = 1,
    seed: int = 0,
    limit: int | None = None,
    shares: Mapping[str, float] | None = None,
    visors: float = DEFAULT_VISORS,
    sheet: Path | None = None,
    progress: Progress = SILENT,
) -> SynthSummary:
    """Draw masks on the bare faces of training folders and write a training folder of them.

    What is drawn on a face follows from the seed and its picture's bytes alone, wherever the picture lies and
    whatever else is drawn; of pictures that are equal byte for byte the first is taken.

    Args:
        folders: in the format of ``samples``; their pictures labelled without_mask are used.
        out: made if need be; gets ``crops.jsonl`` and a folder of JPEGs.
        per_face: masks for each face, each in a picture of its own.
        seed: decides on everything random.
        limit: end after so many masks, of pictures in an order that the seed decides.
        shares: of the wears; instead of ``DEFAULT_SHARES``, to sum to any positive number. Wears not named get none.
        visors: share of the faces that are put behind a face shield, 0 to 1; by our rule it is no mask, so the
            label stays.
        sheet: a picture to write of a random selection, a row for each style and wear.
        progress: told how many pictures there are and have been drawn on.

    Raises:
        RequestError: a wear is unknown, or a share is not what it should be.
        OutputError: ``out`` is not empty or cannot be written.
        SourceNotFoundError, SourceError: a folder or a picture cannot be read, or no face is good enough.
    """
    odds = _odds(DEFAULT_SHARES if shares is None else shares)
    if not 0 <= visors <= 1:
        raise RequestError(f"the share of visors is {visors}, expected 0 to 1")
    keyed = _keyed(read_samples(folders, [WITHOUT_MASK]), seed)
    _make_folder(out)
    detector = load_detector(AUTO_DETECTOR, box_margin=0.0)  # the lower end of a box says where the chin is
    records: list[dict[str, Any]] = []
    seen = 0
    for key, sample in counted(keyed, len(keyed), progress):
        for record in _draw_all(detector, sample, key, out, per_face, odds, visors):
            records.append(record)
            if limit is not None and len(records) >= limit:
                break
        seen += 1
        if limit is not None and len(records) >= limit:
            break
    if not records:
        raise SourceNotFoundError(f"no bare face to draw on was found in {', '.join(map(str, folders))}")
    _write_records(out, records)
    if sheet is not None:
        write_sheet(sheet, out, records, seed)
    counts = {name: Counter(str(record[name]) for record in records) for name in ("label", "wear", "style")}
    behind = sum(record["visor"] for record in records)
    return SynthSummary(out, seen, counts["label"], counts["wear"], counts["style"], behind)


def _odds(shares: Mapping[str, float]) -> list[float]:
    for wear in shares:
        label_of_wear(wear)
    values = np.array([shares.get(wear, 0.0) for wear in WEARS], np.float64)
    if not np.isfinite(values).all() or (values < 0).any() or values.sum() <= 0:
        raise RequestError(f"shares of wears must be 0 or more and not all 0, got {dict(shares)}")
    return [float(value) for value in values / values.sum()]


def _keyed(samples: Sequence[LabelledImage], seed: int) -> list[tuple[str, LabelledImage]]:
    """Return the pictures with keys made of the seed and their bytes, sorted by key, each once."""
    by_key: dict[str, LabelledImage] = {}
    for sample in samples:
        try:
            data = sample.path.read_bytes()
        except FileNotFoundError as error:
            raise SourceNotFoundError(f"{sample.path} does not exist") from error
        by_key.setdefault(hashlib.sha256(f"{seed}:".encode() + data).hexdigest(), sample)
    return sorted(by_key.items())


def _make_folder(out: Path) -> None:
    with nothing_begun():
        try:
            out.mkdir(parents=True, exist_ok=True)
            if any(out.iterdir()):
                raise OutputError(f"{out} is not empty: name a new folder, or empty it first")
            (out / _PICTURES).mkdir()
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"cannot write to {out}: {error.strerror}") from error


def _draw_all(
    detector: OnnxDetector,
    sample: LabelledImage,
    key: str,
    out: Path,
    per_face: int,
    odds: Sequence[float],
    visors: float,
) -> Iterator[dict[str, Any]]:
    for number, face in enumerate(bare_faces(detector, read_image(sample.path), many=sample.many)):
        for copy in range(per_face):
            rng = np.random.default_rng([int(key[:15], 16), number, copy])
            style = STYLES[int(rng.integers(len(STYLES)))]
            wear = WEARS[int(rng.choice(len(WEARS), p=odds))]
            drawn = draw_mask(face.bgr, face.landmarks, face.xyxy, style=style, wear=wear, rng=rng)
            visor = bool(rng.random() < visors)
            if visor:
                drawn = draw_visor(drawn, face.xyxy, rng)
            name = f"{_PICTURES}/{key[:16]}-{number}-{copy}.jpg"
            write_image(out / name, drawn)
            yield {
                "image": name,
                "set": SET,
                "label": label_of_wear(wear),
                "source": sample.path.as_posix(),
                "style": style,
                "wear": wear,
                "bare": bare_of_wear(wear),
                "visor": visor,
                "width": drawn.shape[1],
                "height": drawn.shape[0],
            }


def _write_records(out: Path, records: Sequence[Mapping[str, Any]]) -> None:
    with atomic_write(out / CROPS_FILE) as partial:
        partial.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
