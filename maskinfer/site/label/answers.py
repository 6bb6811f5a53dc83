"""What labellers said: a file for each, which only grows; and what follows from all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from maskinfer.engine.contract import Label
from maskinfer.engine.errors import RequestError, SourceError
from maskinfer.engine.files.inside import inside, slug
from maskinfer.engine.results import LABELS, UNCERTAIN, label_order
from maskinfer.engine.schema import from_json, from_plain
from maskinfer.site.pool import LABELS as LABELS_FOLDER
from maskinfer.site.pool import Box, PictureId, PoolPicture, append_line, write_scenes

NO_FACE, CANNOT_TELL = "no_face", "cannot_tell"
OTHERS = (CANNOT_TELL, NO_FACE)
"""Answers that are no labels."""
Key = tuple[str, int]
"""A picture and the number of a face in it; the numbers of added faces follow those that were found."""


@dataclass(frozen=True, slots=True)
class _Labels:
    """What labels may be."""

    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody said of a face, or that they take back what they said.

    Attributes:
        picture: its id.
        face: number of the face in it.
        label: or one of ``OTHERS``; None takes the answer back.
        bbox: where the face is, if it was moved or added.
        at: when, as seconds since 1970.
    """

    picture: PictureId
    face: int
    label: Label | None
    bbox: Box | None = None
    at: float = 0.0


@dataclass(slots=True)
class Labeller:
    """One who labels, and what they said.

    Attributes:
        name: of the labeller, which is that of the file too.
        answers: of each face, the last word.
        times: when they answered, in order.
    """

    name: str
    answers: dict[Key, Answer] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)

    def take(self, answer: Answer) -> None:
        """Note what was said, or taken back."""
        key = answer.picture, answer.face
        if answer.label is None:
            self.answers.pop(key, None)
        else:
            self.answers[key] = answer
            self.times.append(answer.at)


def labels_asked(
    pool: Sequence[PoolPicture], labellers: Mapping[str, Labeller], added: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the labels to choose from: ours, those that the models gave or somebody answered, and added ones.

    Raises:
        RequestError: one cannot be a label.
    """
    found = {face.label for picture in pool for face in picture.faces}
    found |= {answer.label for one in labellers.values() for answer in one.answers.values() if answer.label}
    labels = label_order({*LABELS, *added, *found} - {UNCERTAIN, *OTHERS})
    try:
        return from_plain({"labels": labels}, _Labels).labels
    except ValueError as error:
        raise RequestError(f"a label cannot be: {error}") from error


def answers_file(site: Path, name: str) -> Path:
    """Return where a labeller's answers are."""
    return inside(site / LABELS_FOLDER, f"{slug(name)}.jsonl")


def read_labellers(site: Path) -> dict[str, Labeller]:
    """Return all who labelled here, by name.

    Raises:
        SourceError: a line cannot be read.
    """
    found = {}
    for file in sorted((site / LABELS_FOLDER).glob("*.jsonl")):
        labeller = Labeller(file.stem)
        for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), 1):
            if line.strip():
                try:
                    labeller.take(from_json(line, Answer))
                except ValueError as error:
                    raise SourceError(f"{file}:{number} is no answer: {error}") from error
        found[labeller.name] = labeller
    return found


def save_answer(site: Path, labeller: Labeller, answer: Answer) -> None:
    """Write an answer, and note it.

    Raises:
        OutputError: it cannot be written.
    """
    append_line(answers_file(site, labeller.name), answer)
    labeller.take(answer)


def save_scenes(site: Path, pool: Sequence[PoolPicture], labellers: Mapping[str, Labeller]) -> int:
    """Write what training and evaluation read: pictures all of whose faces somebody answered; return how many.

    A face of which two labellers say different things counts as one that nobody can tell.
    """
    scenes = [(picture, faces) for picture in pool if (faces := _faces_of(picture, labellers)) is not None]
    write_scenes(site, scenes)
    return len(scenes)


def _faces_of(picture: PoolPicture, labellers: Mapping[str, Labeller]) -> list[dict[str, Any]] | None:
    given: dict[int, list[Answer]] = {}
    for labeller in labellers.values():
        for (name, number), answer in labeller.answers.items():
            if name == picture.id:
                given.setdefault(number, []).append(answer)
    if any(number not in given for number in range(len(picture.faces))):
        return None
    faces = []
    for number, answers in sorted(given.items()):
        labels = {answer.label for answer in answers}
        label = answers[0].label if len(labels) == 1 else CANNOT_TELL
        box = next((a.bbox for a in answers if a.bbox is not None), None)
        if label != NO_FACE and (box is not None or number < len(picture.faces)):
            faces.append({"bbox": list(box or picture.faces[number].bbox), "label": label})
    return faces


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two labellers agree.

    Attributes:
        one, other: their names.
        faces: that both answered.
        agreed: share of them of which they say the same.
        kappa: Cohen's kappa: agreement beyond what their habits alone would give; 1 is full, 0 is none. None where
            both say always the same.
        differ: faces of which they say different things.
    """

    one: str
    other: str
    faces: int
    agreed: float
    kappa: float | None
    differ: tuple[Key, ...]


def agreements(labellers: Mapping[str, Labeller]) -> list[Agreement]:
    """Return how far each two agree on the faces that both answered (Cohen 1960)."""
    found = []
    for one, other in combinations(labellers.values(), 2):
        common = sorted(one.answers.keys() & other.answers.keys())
        if common:
            pairs = [(one.answers[key].label, other.answers[key].label) for key in common]
            differ = tuple(key for key, (a, b) in zip(common, pairs, strict=True) if a != b)
            agreed = 1 - len(differ) / len(common)
            found.append(Agreement(one.name, other.name, len(common), agreed, kappa_of(pairs), differ))
    return found


def kappa_of(pairs: Sequence[tuple[str | None, str | None]]) -> float | None:
    """Return Cohen's kappa of pairs of answers; None where chance alone would agree fully."""
    n = len(pairs)
    observed = sum(a == b for a, b in pairs) / n
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    by_chance = sum(first[label] * second[label] for label in first) / n**2
    return None if by_chance == 1 else (observed - by_chance) / (1 - by_chance)
