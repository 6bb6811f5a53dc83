"""insightface's detectors, which are for non-commercial research only."""

from __future__ import annotations

from pathlib import Path

from maskinfer.engine.errors import DownloadError, MissingExtraError, RequestError

INSIGHTFACE_PREFIX = "insightface:"
# The detector's file in each of insightface's packs; all are SCRFD, for non-commercial research only.
INSIGHTFACE_PACKS = {
    "buffalo_l": "det_10g.onnx",
    "buffalo_m": "det_2.5g.onnx",
    "buffalo_s": "det_500m.onnx",
    "buffalo_sc": "det_500m.onnx",
    "antelopev2": "scrfd_10g_bnkps.onnx",
}


def insightface_file(pack: str) -> Path:
    """Return where insightface keeps the detector of one of its packs.

    Raises:
        RequestError: there is no such pack.
    """
    if pack not in INSIGHTFACE_PACKS:
        raise RequestError(f"unknown insightface pack {pack!r}: choose {', '.join(sorted(INSIGHTFACE_PACKS))}")
    return Path("~/.insightface/models").expanduser() / pack / INSIGHTFACE_PACKS[pack]


def pull_insightface(pack: str) -> None:
    """Let insightface fetch one of its packs, all of which are for non-commercial research only.

    Raises:
        MissingExtraError: it is not installed. DownloadError: it could not.
    """
    try:
        from insightface.utils.storage import ensure_available
    except ImportError as error:
        raise MissingExtraError("insightface, which fetches its packs,", "insightface") from error
    try:
        ensure_available("models", pack)
    except Exception as error:  # whatever its HTTP client raises
        raise DownloadError(f"insightface could not fetch the pack {pack}: {error}") from error
    if not insightface_file(pack).is_file():
        raise DownloadError(f"insightface fetched the pack {pack} without {insightface_file(pack).name}")
