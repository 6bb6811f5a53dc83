"""Waiting for what happens in other threads and processes, on a machine that may be busy."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest


def wait_until(is_so: Callable[[], object], what: str = "it", *, timeout_s: float = 180) -> None:
    """Wait until something is so; fail if it is not after so many seconds."""
    ends_s = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > ends_s:
            pytest.fail(f"{what} did not happen in {timeout_s:g} seconds")
        time.sleep(0.02)
