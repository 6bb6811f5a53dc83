"""The part of the report that says how things were measured."""

from __future__ import annotations

from html import escape

from maskinfer.training.data.head_pose import ASIDE_DEG, NODDING_DEG, TILTED_DEG
from maskinfer.training.evaluation.run import Setup
from maskinfer.training.evaluation.slices import BLURRED_UNDER, DARK_UNDER


def method(setup: Setup) -> str:
    """Return definitions, settings and limits as HTML."""
    shown = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in (*_settings(setup), *_definitions(setup)))
    return f'<div class="card"><dl style="margin:0">{shown}</dl></div>'


def _settings(setup: Setup) -> list[tuple[str, str]]:
    threshold = "its own" if setup.det_threshold is None else f"{setup.det_threshold:g}"
    uncertain = "none"
    if setup.uncertain_below:
        uncertain = f"{setup.uncertain_below:g}; under it a face is called uncertain, which is never right"
    return [
        ("Models", f"classifier {escape(setup.classifier)}, labels {escape(', '.join(setup.labels))}; detector "
                   f"{escape(setup.detector)}, score threshold {threshold}; least probability of a label: {uncertain}"),
    ]  # fmt: skip


def _definitions(setup: Setup) -> list[tuple[str, str]]:
    return [
        ("Found", _found(setup)),
        (
            "Left out",
            f"{'Faces' if setup.of_scenes else 'Pictures'} whose shorter side is under {setup.min_side_px:g} px: "
            "neither missed nor, when detected, false. Annotations with other labels likewise.",
        ),
        (
            "Intervals",
            "Of shares: Wilson's (1927), as if faces were independent; those of one image are alike, so the truth is a "
            "little wider. Of means, differences and false positives per image: images drawn anew a thousand times "
            "(Efron's bootstrap, 1979), which allows for that.",
        ),
        (
            "Slices",
            f"As annotated; besides, measured: dark, with a mean grey value under {DARK_UNDER} of 255; blurred, with a "
            f"sharpness (Tenengrad over contrast) under {BLURRED_UNDER}; turned aside by over {ASIDE_DEG:g} degrees, "
            f"looking up or down by over {NODDING_DEG:g}, tilted by over {TILTED_DEG:g}, by the detector's landmarks, "
            "so of found faces only.",
        ),
        (
            "Calibration",
            "Temperature scaling after Guo et al. (2017), on the found faces. The threshold is the selection with "
            "guaranteed risk of Geifman and El-Yaniv (2017) with the exact binomial bound. It vouches for faces like "
            "these that are independent, and says nothing of labels given to boxes that hold no face.",
        ),
        (
            "Worth knowing",
            "Data that a threshold, a temperature or a model was chosen on flatters them. Annotations have errors of "
            "their own: the pictures above show some.",
        ),
    ]


def _found(setup: Setup) -> str:
    if setup.of_scenes:
        return (
            "The detections of an image take, best score first, the free annotated face that they overlap most, with "
            f"an intersection over union of at least {setup.iou:g}. What overlaps no face is a false positive; a "
            "second box on a face is neither."
        )
    return (
        "Each picture shows one face, whose box is not known. It is looked for as in training: in the picture with a "
        "third of its longer side around it, in which the largest, most central, best scored detection is taken. None "
        "there counts as missed. False positives cannot be told. Sizes are those of the pictures."
    )
