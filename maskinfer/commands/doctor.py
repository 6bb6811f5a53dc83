"""The command that checks the machine and the installation."""

from __future__ import annotations

import click


@click.command(short_help="Check this machine and this installation.")
def doctor() -> None:
    """Check this machine and this installation, one line per check; exit with 1 if the default job would fail."""
    from maskinfer.engine.jobs.doctor import diagnose

    broken = False
    for check in diagnose():
        click.echo(f"{check.status:6s}  {check.name}: {check.detail}")
        broken = broken or check.status == "broken"
    click.get_current_context().exit(1 if broken else 0)
