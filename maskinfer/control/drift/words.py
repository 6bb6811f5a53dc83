"""What of a camera has changed, in words."""

from __future__ import annotations

from typing import Any

from maskinfer.engine.drift.compare import LEAST_PEOPLE, Drift, Shift

_MORE_LESS = {
    "score": ("the model is surer", "the model is less sure", ""),
    "face_px": ("faces are larger", "faces are smaller", " pixels"),
    "face_brightness": ("faces are brighter", "faces are darker", " of 255"),
    "face_sharpness": ("faces are sharper", "faces are less sharp", ""),
    "picture_brightness": ("the picture is brighter", "the picture is darker", " of 255"),
    "picture_sharpness": ("the picture is sharper", "the picture is less sharp", ""),
}


def shift_words(shift: Shift) -> str:
    """Return what has changed.

    >>> shift_words(Shift("face_brightness", 0.8, 128.0, 62.0))
    'faces are darker (62 of 255, before 128)'
    """
    if shift.what in _MORE_LESS:
        more, less, unit = _MORE_LESS[shift.what]
        digits = 2 if shift.what == "score" else 0
        way = more if shift.now > shift.before else less
        return f"{way} ({shift.now:.{digits}f}{unit}, before {shift.before:.{digits}f})"
    shares = f"{100 * shift.now:.0f} %, before {100 * shift.before:.0f} %"
    if shift.what == "place":
        return f"faces are elsewhere in the picture ({shift.which}: {shares})"
    return f"labels occur otherwise ({shift.which}: {shares})"


def drift_words(drift: Drift | None) -> str:
    """Return how a camera looks against its reference, in one line; empty if nothing is known."""
    if drift is None:
        return ""
    since = f"{drift.since:%Y-%m-%d}"
    match drift.state:
        case "learning":
            return f"how it looks is learnt since {since}: {drift.people} of at least {LEAST_PEOPLE} people, and a week"
        case "too little":
            return f"too few people and pictures lately to compare with {since}"
        case "as before":
            return f"it looks as it did from {since}"
        case "moved":
            return f"it no longer looks as it did from {since}: " + "; ".join(map(shift_words, drift.shifts))


def drift_dict(drift: Drift | None) -> dict[str, Any] | None:
    """Return the same as plain data."""
    if drift is None:
        return None
    return {
        "state": drift.state,
        "since": drift.since.isoformat(),
        "people": drift.people,
        "words": drift_words(drift),
        "shifts": [
            {
                "what": shift.what,
                "psi": round(shift.psi, 3),
                "before": round(shift.before, 3),
                "now": round(shift.now, 3),
                "which": shift.which or None,
            }
            for shift in drift.shifts
        ],
    }
