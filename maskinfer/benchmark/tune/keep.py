"""The profile that a search ends with."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from maskinfer import __version__
from maskinfer.benchmark.tune.search import Tuned
from maskinfer.engine.tuned.profile import Profile, forget_profile, model_hashes, this_place, write_profile


def keep(tuned: Tuned) -> Path | None:
    """Write the profile of the fastest way; remove an earlier one, and return None, if that is the usual way.

    Raises:
        OutputError: it cannot be written.
    """
    if tuned.last is None:
        forget_profile(tuned.asked)
        return None
    profile = Profile(
        datetime.now(UTC).isoformat(timespec="seconds"),
        __version__,
        asdict(tuned.asked),
        this_place(),
        model_hashes(tuned.asked),
        tuned.best,
        tuned.frames / float(np.median(tuned.last.other_s)),
        tuned.frames / float(np.median(tuned.last.base_s)),
        tuned.agreement,
    )
    return write_profile(profile)
