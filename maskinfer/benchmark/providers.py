"""Which execution providers run models on this machine, and why the others do not."""

from __future__ import annotations

from collections.abc import Sequence

from maskinfer.engine.catalog.find import find_model
from maskinfer.engine.errors import ProviderError, RequestError
from maskinfer.engine.faces.detector import AUTO_DETECTOR
from maskinfer.engine.runtime.cpu import has_bf16
from maskinfer.engine.runtime.providers import (
    AUTO,
    BF16,
    import_onnxruntime,
    present_providers,
    resolve_provider,
    short_name,
)
from maskinfer.engine.runtime.session import create_session

# It only calls models in a cloud.
_REMOTE = "azure"


def active_providers(asked: Sequence[str] = ()) -> tuple[list[str], dict[str, str]]:
    """Return the short names of the providers to measure, the CPU first, and why the others cannot be.

    Args:
        asked: those to take, each of which has to be there; empty for every one on which the default detector opens.

    Raises:
        RequestError: there is no such provider.
        ProviderError: the installed build does not have it.
    """
    if asked:
        return list(dict.fromkeys(map(_named, asked))), {}
    file = find_model(AUTO_DETECTOR, "detector")
    active, inactive = [], {}
    for name in _all():
        try:
            create_session(file, provider=name)
        except (ProviderError, RequestError) as error:
            inactive[name] = str(error)
        else:
            active.append(name)
    return active, inactive


def named_or_present(asked: Sequence[str]) -> list[str]:
    """Return the short names of the providers that were asked for, or else of all that the installed build has.

    Unlike ``active_providers`` it opens no model on them, which may take minutes.

    Raises:
        RequestError: there is no such provider.
        ProviderError: the installed build does not have it.
    """
    if asked:
        return list(dict.fromkeys(map(_named, asked)))
    present = {short_name(name) for name in present_providers()}
    rounded = [BF16] if "openvino" in present and has_bf16() else []
    return ["cpu", *sorted(present - {"cpu"}), *rounded]


def _named(name: str) -> str:
    if name.lower() == AUTO:
        raise RequestError(
            "auto is no provider to measure: name those that are wanted, or none for all that are active"
        )
    resolve_provider(name)
    return short_name(name)


def _all() -> list[str]:
    names = [short_name(name) for name in import_onnxruntime().get_all_providers()]
    rounded = [BF16] if "openvino" in map(short_name, present_providers()) else []
    return ["cpu", *(name for name in names if name not in ("cpu", _REMOTE)), *rounded]
