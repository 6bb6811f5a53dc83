"""The options of an archive that many machines do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maskinfer.commands.options import grouped, is_given, option, read_duration, refuse
from maskinfer.engine.errors import RequestError
from maskinfer.engine.files.urls import is_url, public_name, read_address

if TYPE_CHECKING:
    from maskinfer.commands.groups.models import EngineOptions
    from maskinfer.engine.jobs.summary import JobSummary

# What FFmpeg reads itself, one video at a time.
_STREAMED = {"http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "file", "pipe"}


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Whether many machines do an archive, and how."""

    cluster: str | None
    piece: float | None

    def run(
        self, models: EngineOptions, max_error: float | None, sources: Sequence[str], out: str | Path,
        jobs: int, decoder: str, **settings: Any,
    ) -> JobSummary:  # fmt: skip
        """Have an archive done; see ``cluster.run.run_on_cluster``."""
        from maskinfer.cluster.run import Cluster, run_on_cluster
        from maskinfer.console.progress import archive_bar

        refuse(("threads",), "on a cluster each worker has one core")
        where = Cluster(self.cluster or "", jobs if is_given("jobs") else None, self.piece)
        from_places = [read_address(source) for source in sources]
        with archive_bar() as progress:
            arguments = {**models.arguments(max_error), "decoder": decoder}
            return run_on_cluster(arguments, from_places, read_address(str(out)), where, progress=progress, **settings)

    def check(self, sources: Sequence[str], out: str | Path, is_one: bool) -> None:
        """Check what does not fit whether there is a cluster.

        Raises:
            RequestError: a place is named that only a cluster reads or writes. UsageError: an option would do nothing.
        """
        if self.cluster is not None:
            if is_one:
                raise click.UsageError("--cluster is for a folder of videos: name a folder for -o")
            return
        refuse(("piece",), "videos are looked at in pieces only with --cluster")
        for place in (*sources, str(out)):
            if is_url(place) and place.partition("://")[0].lower() not in _STREAMED:
                raise RequestError(f"{public_name(place)} is read and written with --cluster only: add --cluster local")


cluster_options = grouped(
    "spread", ClusterOptions, "Many machines",
    option("--cluster", metavar="ADDRESS|auto|local",
           help="Have a folder of videos done by a Ray cluster: HOST:PORT of its head, auto for the one that this "
                "machine belongs to, local for one on this machine that ends with the job. SRC, -o and the folders of "
                "results may then be URLs, as s3://bucket/archive. --jobs limits how many cores work for it."),
    option("--piece", callback=read_duration, default="30m", show_default=True, metavar="TIME",
           help="With --cluster, look at videos of twice this length or more in pieces of at least this length."),
)  # fmt: skip


def public_place(place: str | Path) -> str | Path:
    """Return a path, or a URL as it may be shown."""
    if isinstance(place, Path) or not is_url(place):
        return place
    from maskinfer.cluster.storage import shown

    return shown(place)
