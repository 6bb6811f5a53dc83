"""Which settings come into force while a control room runs."""

from __future__ import annotations

from dataclasses import replace

from maskinfer.control.settings.types import Settings

# Of these a change takes effect at the next start.
_FIXED = ("models", "metrics")


def in_force(new: Settings, read_before: Settings, before: Settings) -> tuple[Settings, list[str]]:
    """Return settings as they come into force, and the names of the parts whose change waits for the next start.

    Args:
        new: as they were read now.
        read_before: as they were read before. Where they are those of ``new``, what is in force stays, though it may be
            something else, such as a folder that the command line named.
        before: that were in force until now.
    """
    later = [name for name in _FIXED if getattr(read_before, name) != getattr(new, name)]
    later += ["store.folder"] if read_before.store.folder != new.store.folder else []
    later += ["page.listen"] if read_before.page.listen != new.page.listen else []
    store = replace(new.store, folder=before.store.folder)
    page = replace(new.page, listen=before.page.listen)
    fixed = {name: getattr(before, name) for name in _FIXED}
    return replace(new, store=store, page=page, **fixed), later
