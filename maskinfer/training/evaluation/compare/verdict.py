"""What a comparison comes to: one sentence, and whether the new model may take the old one's place."""

from __future__ import annotations

from dataclasses import dataclass

from maskinfer.training.evaluation.compare.run import AtPlace, Group, Versus

MAX_LOSS = 0.005
"""Share of faces that a data set may lose unless another is asked for."""
LEAST_FACES = 50
"""Groups with fewer faces say too little to hold a model back."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a new model.

    Attributes:
        sentence: for people.
        worse: where it is worse and that counts, a line each; it passes when there are none.
    """

    sentence: str
    worse: tuple[str, ...]

    @property
    def passes(self) -> bool:
        """Whether the new model is nowhere worse that counts."""
        return not self.worse


def judge(versus: Versus, max_loss: float = MAX_LOSS) -> Verdict:
    """Return what a comparison comes to.

    Worse somewhere that counts is a data set of at least 50 faces that loses more than ``max_loss``, or whose whole
    interval lies below 0; or a label in it, of at least 50 faces, whose whole interval lies below ``-max_loss``; or
    more false positives, with a whole interval above 0.

    Args:
        versus: the comparison.
        max_loss: share of the faces.
    """
    here, *elsewhere = versus.places
    worse = [line for place in versus.places for line in _worse(place, max_loss)]
    said = _here(here)
    if elsewhere:
        sets = [(_name(place, group), group.found.change.value) for place in elsewhere for group in _sets(place)]
        said += f"; elsewhere {_elsewhere(sets)}"
    return Verdict(f"{versus.new.name} is {said}", tuple(worse))


def _sets(place: AtPlace) -> list[Group]:
    return place.of("set") or place.of("all")


def _here(place: AtPlace) -> str:
    change = place.of("all")[0].found.change
    interval = f"95 % {100 * change.low:z.1f} to {100 * change.high:z.1f}"
    if change.low > 0:
        return f"better on {place.place.name} by {100 * change.value:z.1f} points, {interval}"
    if change.high < 0:
        return f"worse on {place.place.name} by {-100 * change.value:z.1f} points, {interval}"
    return f"not surely different on {place.place.name}: {100 * change.value:+z.1f} points, {interval}"


def _name(place: AtPlace, group: Group) -> str:
    return place.place.name if group.kind == "all" else group.name


def _elsewhere(sets: list[tuple[str, float]]) -> str:
    name, value = min(sets, key=lambda pair: pair[1])
    if round(100 * value, 1) >= 0:
        return f"nowhere worse (least: {name}, {100 * value:+z.1f})"
    return f"no worse than {-100 * value:z.1f} ({name})"


def _worse(place: AtPlace, max_loss: float) -> list[str]:
    lines = []
    for group in (*_sets(place), *place.of("label")):
        change, faces = group.found.change, group.found.faces
        is_set = group.kind != "label"
        lost = (change.value < -max_loss or change.high < 0) if is_set else change.high < -max_loss
        if faces >= LEAST_FACES and lost:
            name = place.place.name if group.kind == "all" else f"{place.place.name}, {group.name}"
            interval = f"95 % {100 * change.low:z.1f} to {100 * change.high:z.1f}"
            lines.append(f"{name}: {100 * change.value:+z.1f} points, {interval}, {faces} faces")
    more = place.false_positives
    if more is not None and more.low > 0:
        lines.append(
            f"{place.place.name}: {more.value:+.3f} false positives an image, 95 % {more.low:.3f} to {more.high:.3f}"
        )
    return lines
