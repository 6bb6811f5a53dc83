"""Fetching of files whose SHA-256 is known: mirrors in turn, resumed where a fetch was cut, whole or not at all."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from maskinfer.engine.errors import DownloadError, OutputError, RequestError
from maskinfer.engine.files.checks import sha256_of
from maskinfer.engine.files.urls import public_name
from maskinfer.engine.flow.progress import SILENT, Progress

_CHUNK_BYTES = 1 << 16
# Far more than any model of faces has; a server that never ends does not fill the disk.
MOST_BYTES = 2 << 30


def fetch(
    urls: Sequence[str],
    out: Path,
    sha256: str,
    *,
    timeout_s: float = 30.0,
    progress: Progress = SILENT,
) -> Path:
    """Fetch a file from the first of several addresses that has it.

    At most ``MOST_BYTES`` are taken.

    What was fetched before a fault stays beside ``out`` and is gone on with, by the next address or the next call.

    Args:
        urls: http or https.
        out: appears when the bytes are those of ``sha256``; its folder is made.
        sha256: of the whole file, in hexadecimal.
        timeout_s: for a connection, and for the next bytes of one.
        progress: told how many bytes there are, where the server says it, and how many have been fetched.

    Raises:
        DownloadError: no address gave the file; the message says what each did.
        RequestError: an address is neither http nor https. OutputError: the folder cannot be written to.
    """
    strange = [public_name(url) for url in urls if not url.startswith(("http://", "https://"))]
    if strange:
        raise RequestError(f"{strange[0]} is no address to fetch from: expected http or https")
    part = out.with_name(f".{out.name}.{sha256[:12]}.part")
    problems = []
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for url in urls:
            problem = _fetch_from(url, part, sha256, timeout_s, progress)
            if problem is None:
                part.replace(out)
                return out
            problems.append(f"{public_name(url)}: {problem}")
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error.strerror or error}") from error
    raise DownloadError(f"{out.name} could not be fetched: {'; '.join(problems) or 'no address is known'}")


def _fetch_from(url: str, part: Path, sha256: str, timeout_s: float, progress: Progress) -> str | None:
    """Fetch into ``part``; return what went wrong, or None when its bytes are right."""
    while True:
        resumed = part.stat().st_size if part.is_file() else 0
        problem = _append(url, part, resumed, timeout_s, progress)
        if problem is not None:
            return problem
        if sha256_of(part) == sha256:
            return None
        part.unlink()
        # What was there before may be what is wrong.
        if not resumed:
            return "its bytes are not those of the registry (SHA-256)"


def _append(url: str, part: Path, start: int, timeout_s: float, progress: Progress) -> str | None:
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            start = start if answer.status == http.HTTPStatus.PARTIAL_CONTENT else 0
            rest = answer.headers.get("Content-Length", "")
            if rest and not rest.isdecimal():
                return f"it says a Content-Length of {rest!r:.40}, expected a number"
            total = start + int(rest) if rest else None
            if (total or 0) > MOST_BYTES:
                return f"it has {total:,} bytes, expected at most {MOST_BYTES:,}"
            done = _copy(answer, part, start, total, progress)
    except urllib.error.HTTPError as error:
        # All was there already: the checksum decides.
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            return None
        return f"{error.code} {error.reason}"
    except urllib.error.URLError as error:
        return str(error.reason)
    except (http.client.InvalidURL, ValueError):  # whose texts show the URL
        return "this address is not well formed"
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        return str(error) or type(error).__name__
    if done > MOST_BYTES:
        part.unlink()
        return f"it gives more than {MOST_BYTES:,} bytes"
    return None if total in (None, done) else f"it ended after {done} of {total} bytes"


def _copy(answer: http.client.HTTPResponse, part: Path, start: int, total: int | None, progress: Progress) -> int:
    done = start
    progress.set_total(total)
    progress.advance(start)
    with part.open("ab" if start else "wb") as file:
        while done <= MOST_BYTES and (chunk := answer.read(_CHUNK_BYTES)):
            file.write(chunk)
            done += len(chunk)
            progress.advance(len(chunk))
    return done
