"""Addresses that hold passwords, which are better kept out of the command line."""

from __future__ import annotations

import click

from maskinfer.engine.errors import RequestError
from maskinfer.engine.files.urls import read_address


def read_secret_address(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Read a URL, or ``env:NAME`` or ``@FILE`` that hold it."""
    try:
        return None if value is None else read_address(value)
    except RequestError as error:
        raise click.BadParameter(str(error)) from error


def read_secret_addresses(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Read several."""
    return tuple(str(read_secret_address(ctx, param, value)) for value in values)
