"""Models x runtimes: largest difference, agreement and time, as a Markdown table.

python -m benchmarks.runtimes [MODEL...]

By default all shipped models. A batch of four: faces of the classifier's size, or frames of 320x320 for a detector.
"""

from __future__ import annotations

import sys

import click

from maskinfer.engine.catalog.shipped import SHIPPED
from maskinfer.export.verify.run import Verdict, verify


@click.command()
@click.argument("models", nargs=-1)
def main(models: tuple[str, ...]) -> None:
    """Print the table."""
    rows = {name: verify(name) for name in models or SHIPPED}
    runtimes = list(dict.fromkeys(verdict.runtime for verdicts in rows.values() for verdict in verdicts))
    lines = [["", *runtimes], ["---"] * (len(runtimes) + 1)]
    for name, verdicts in rows.items():
        known = {verdict.runtime: cell(verdict) for verdict in verdicts}
        lines.append([f"`{name}`", *(known.get(runtime, "") for runtime in runtimes)])
    sys.stdout.write("".join(f"| {' | '.join(line)} |\n" for line in lines))


def cell(verdict: Verdict) -> str:
    if verdict.problem:
        return "cannot run it"
    said = "" if verdict.agrees else "**disagrees** "
    return f"{said}{verdict.difference:.0e}, {verdict.agreement:.0%}, {verdict.latency_ms:.1f} ms"


if __name__ == "__main__":
    main()
