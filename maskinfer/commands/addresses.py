"""Addresses that hold passwords, which are better kept out of the command line."""

from __future__ import annotations

import click

from maskinfer.engine.errors import RequestError
from maskinfer.engine.files.urls import read_address


def read_secret_address(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Read a URL, or ``env:NAME`` or ``@FILE`` that hold it; after a source's name too, as ``door=env:NAME``."""
    try:
        return None if value is None else _named(value)
    except RequestError as error:
        raise click.BadParameter(str(error)) from error


def read_secret_addresses(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Read several."""
    return tuple(str(read_secret_address(ctx, param, value)) for value in values)


def read_secret(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Read ``env:NAME`` or ``@FILE``; a secret itself would be in the list of processes."""
    if value is not None and not value.startswith(("env:", "@")):
        raise click.BadParameter("name where it is: env:NAME for an environment variable, or @FILE")
    return read_secret_address(_ctx, _param, value)


def read_headers(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Read ``NAME=VALUE``, ``NAME=env:NAME`` and ``NAME=@FILE``."""
    pairs = [value.partition("=") for value in values]
    if any(not (name and value) for name, _, value in pairs):
        raise click.BadParameter("expected NAME=VALUE, or NAME=env:NAME or NAME=@FILE where the value is a secret")
    return {name: str(read_secret_address(ctx, param, value)) for name, _, value in pairs}


def _named(value: str) -> str:
    name, equals, address = value.partition("=")
    is_named = bool(equals) and "/" not in name and address.startswith(("env:", "@"))
    return f"{name}={read_address(address)}" if is_named else read_address(value)
