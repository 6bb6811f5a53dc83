"""Where maskinfer keeps what it fetches."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """Return the folder that fetched models lie in: ``maskinfer/models`` where this system keeps caches.

    That is ``~/.cache`` on Linux (``XDG_CACHE_HOME`` moves it), ``~/Library/Caches`` on macOS, and
    ``%LOCALAPPDATA%``, with a folder ``Cache`` between the two, on Windows.
    """
    return user_cache_path("maskinfer", appauthor=False) / "models"
