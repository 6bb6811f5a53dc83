"""The API's description, as OpenAPI 3.1."""

from __future__ import annotations

from functools import cache
from typing import Any

from maskinfer import __version__


@cache
def description() -> dict[str, Any]:
    """Return the description."""
    return {"openapi": "3.1.0", "info": {"title": "maskinfer", "version": __version__}, "paths": {}}
