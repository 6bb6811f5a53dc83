"""What ``maskinfer tune`` shows on a terminal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table

from maskinfer.benchmark.tune.moves import LEAST_AGREEMENT
from maskinfer.benchmark.tune.search import Tried, Tuned
from maskinfer.console.progress import stdout_console


def show_tuned(tuned: Tuned, profile: Path | None, *, is_kept: bool) -> None:
    """Print what was tried, and what is the fastest way.

    Args:
        tuned: what was found.
        profile: file that it was kept in, if it was.
        is_kept: whether a profile was to be kept.
    """
    out = stdout_console()
    out.print(
        f"whole jobs of {tuned.frames} frames, each in turn with the best way until then; labels have to agree on "
        f"{LEAST_AGREEMENT:.0%} of {tuned.faces} faces",
        soft_wrap=True,
    )
    out.print(f"usual: {tuned.usual}", markup=False, soft_wrap=True)
    out.print(_table(tuned))
    for provider, reason in tuned.failed.items():
        out.print(f"left out: {provider}: {reason}", markup=False, soft_wrap=True)
    for one in tuned.tried:
        if one.said.startswith("fails"):
            out.print(f"{one.what}: {one.said}", markup=False, soft_wrap=True)
    out.print(_conclusion(tuned), markup=False, soft_wrap=True)
    if not tuned.is_complete:
        out.print("the time was up before everything was tried: give it more with --seconds", soft_wrap=True)
    if profile is not None:
        out.print(f"kept in {profile}; auto uses it from now on", markup=False, soft_wrap=True)
    elif tuned.last is not None and not is_kept:
        out.print("not kept, because of --dry-run", soft_wrap=True)


def _table(tuned: Tuned) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("tried", overflow="fold")
    for name in ("frames/s", "slowest-fastest", "times as fast (95 %)", "agrees"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("what came of it", overflow="fold")
    for one in tuned.tried:
        table.add_row(one.what, *_figures(one), one.said.partition(":")[0])
    return table


def _figures(one: Tried) -> tuple[str, str, str, str]:
    agrees = "" if one.agreement is None else f"{one.agreement:.1%}"
    if one.frames_per_second is None or one.spread is None or one.interval is None or not one.frames_per_second:
        return "", "", "", agrees
    low, high = one.interval
    times = f"{one.speedup:.2f} ({low:.2f}-{high:.2f})" if high < float("inf") else f"{one.speedup:.2f}"
    return f"{one.frames_per_second:.1f}", f"{one.spread[0]:.1f}-{one.spread[1]:.1f}", times, agrees


def _conclusion(tuned: Tuned) -> str:
    if tuned.last is None:
        return "no other way is faster beyond the noise: auto stays as it is"
    low, high = tuned.last.interval
    before, now = (tuned.frames / float(np.median(times)) for times in (tuned.last.base_s, tuned.last.other_s))
    return (
        f"fastest: {tuned.best}\n"
        f"{now:.1f} frames/s where the usual way has {before:.1f}: {tuned.last.speedup:.2f} times as fast "
        f"(95 %: {low:.2f}-{high:.2f}), {tuned.agreement:.1%} of the faces alike"
    )
