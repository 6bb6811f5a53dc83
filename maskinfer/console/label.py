"""What came of labelling, on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from maskinfer.engine.errors import printable
from maskinfer.site.label.answers import Agreement
from maskinfer.site.pool import SCENES_FILE, TEST


def show_label_result(site: Path, scenes: int, now: Mapping[str, Any]) -> None:
    """Say how far the labelling is, and what comes next."""
    done = now["total"] - now["left"]
    click.echo(f"{done} of {now['total']} faces labelled; {scenes} pictures are whole: {site / SCENES_FILE}")
    if scenes:
        folders = f"--data {site} --dev {site / TEST} --out runs/site"
        click.echo(f"next: maskinfer train --start mobilenetv2-128 --keep 0.7 {folders}")


def show_agreement(found: Sequence[Agreement]) -> None:
    """Say how far each two labellers agree."""
    if not found:
        click.echo("no face was labelled by two: let somebody label with --name NAME --again")
    for one in found:
        kappa = "not defined, both always say the same" if one.kappa is None else f"{one.kappa:.2f}"
        click.echo(
            printable(
                f"{one.one} and {one.other}: {one.faces} faces, {100 * one.agreed:.1f} % the same, "
                f"Cohen's kappa {kappa}, {len(one.differ)} differ and are left out"
            )
        )
