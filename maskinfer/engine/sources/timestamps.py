"""Presentation times that always go forward, whatever a source says."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import av

_CLOCK_RESTART_S = 1
"""A step back by more than this is a clock that began anew, as where recordings were joined."""
Mend = Callable[[int | None], int]


def mender(step: int, time_base: Fraction) -> Mend:
    """Return a function that maps the stamps of a stream's frames, in order, to strictly increasing ones.

    Good stamps stay as they are. A missing one becomes the last plus ``step``, one that does not go forward
    the last plus one tick. After a restart of the clock all later stamps are shifted to follow on.

    Args:
        step: usual distance of two frames, in ticks.
        time_base: seconds per tick.
    """
    last: int | None = None
    shift = 0

    def mend(stamp: int | None) -> int:
        nonlocal last, shift
        if last is None:
            last = 0 if stamp is None else stamp
            return last
        if stamp is None:
            last += step
            return last
        if (last - stamp - shift) * time_base > _CLOCK_RESTART_S:
            shift = last + step - stamp
        last = max(last + 1, stamp + shift)
        return last

    return mend


def step_of(stream: av.VideoStream, time_base: Fraction) -> int:
    """Return the usual distance of two frames of a video stream in ticks, at least 1."""
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    return max(1, round(1 / (rate * time_base)))
