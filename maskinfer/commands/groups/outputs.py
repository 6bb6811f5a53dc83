"""The options of what comes out: result files, crops, events and when something is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from maskinfer.commands.addresses import read_headers, read_secret, read_secret_address
from maskinfer.commands.options import Number, Output, grouped, option, refuse

if TYPE_CHECKING:
    from maskinfer.commands.groups.models import TrackingOptions
    from maskinfer.engine.sinks.event_targets import EventTargets
    from maskinfer.engine.sinks.events import EventOptions
    from maskinfer.engine.sinks.outputs import Outputs

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Where results go."""

    jsonl: str | None
    csv: str | None
    crops: Path | None
    crop_labels: tuple[str, ...]

    def read(self, events: EventTargets | None = None) -> Outputs:
        """Return where results go, events included."""
        from maskinfer.engine.sinks.outputs import Outputs

        if self.crops is None:
            refuse(("crop_labels",), "crops are written only with --crops FOLDER")
        return Outputs(self.jsonl, self.csv, events, self.crops, self.crop_labels)

    def written(self) -> dict[str, object]:
        """Return what was made, for the summary."""
        return {"results": self.jsonl, "table": self.csv, "crops": self.crops}


output_options = grouped(
    "results", OutputOptions, "Results",
    option("--jsonl", type=Output("job", str), metavar="FILE|-",
           help="Write a JSON object per frame or image; - is standard output."),
    option("--csv", type=Output("job", str), metavar="FILE|-", help="Write a row per face; - is standard output."),
    option("--crops", type=Output("job"), metavar="FOLDER",
           help="Save a picture of each face; of a tracked face, the best one for each label."),
    option("--crop-label", "crop_labels", multiple=True, metavar="LABEL",
           help="Save crops of faces with this label only; may be repeated."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EventRules:
    """When something is an event."""

    event_min_score: float | None
    event_min_face_px: float
    event_min_sharpness: float
    event_hold: float
    event_cooldown: float

    def read(self) -> EventOptions:
        """Return when something is an event."""
        from maskinfer.engine.faces.quality import Gate
        from maskinfer.engine.sinks.events import EventOptions

        return EventOptions(
            min_score=self.event_min_score,
            hold_s=self.event_hold,
            cooldown_s=self.event_cooldown,
            gate=Gate(self.event_min_face_px, self.event_min_sharpness),
        )


event_rules = grouped(
    "rules", EventRules, "Events",
    option("--event-min-score", type=Number(0, 1), metavar="SCORE",
           help="Lowest score of a label that counts; by default 0.75, or the score above which at most 5 % of the "
                "labels are wrong, if the classifier's file says that this is higher."),
    option("--event-min-face-px", type=Number(0), default=16, show_default=True, metavar="PIXELS",
           help="Smallest shorter side of a face whose label counts."),
    option("--event-min-sharpness", type=Number(0), default=9, show_default=True, metavar="NUMBER",
           help="Lowest sharpness of a face whose label counts; clear faces have about 13."),
    option("--event-hold", type=Number(0), default=0.5, show_default=True, metavar="SECONDS",
           help="How long a label must last before it is reported as settled or changed."),
    option("--event-cooldown", type=Number(0), default=2.0, show_default=True, metavar="SECONDS",
           help="Shortest time between two reported changes of one person."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EventOutputs:
    """Where events go."""

    events: str | None
    webhook: str | None
    webhook_token: str | None
    webhook_secret: str | None
    webhook_headers: dict[str, str]
    webhook_redirects: int

    def read(self, rules: EventRules, tracking: TrackingOptions) -> EventTargets | None:
        """Return where events go, and when something is one; None if they go nowhere."""
        from maskinfer.engine.sinks.event_targets import EventTargets
        from maskinfer.engine.sinks.webhook_post import WebhookOptions

        if self.webhook is None:
            refuse(("webhook_token", "webhook_secret", "webhook_headers", "webhook_redirects"), "there is no --webhook")
        if self.events is None and self.webhook is None:
            refuse(EventRules, "no events are reported without --events or --webhook")
            return None
        if not tracking.track:
            raise click.UsageError("--events and --webhook need tracked faces: leave out --no-track")
        spoken = WebhookOptions(
            token=self.webhook_token or "",
            secret=self.webhook_secret or "",
            headers=self.webhook_headers,
            redirects=self.webhook_redirects,
        )
        return EventTargets(self.events, self.webhook, spoken, rules.read())


_event_outputs = grouped(
    "event_outputs", EventOutputs, "Events",
    option("--events", type=Output("job", str), metavar="FILE|-",
           help="Write a JSON object when a person appears, when a label settles or changes, and when the person "
                "leaves."),
    option("--webhook", metavar="URL|env:NAME|@FILE", callback=read_secret_address,
           help="Post each event to this URL, retrying until it is accepted. To keep the URL out of the list of "
                "processes, name an environment variable or a file that holds it."),
    option("--webhook-token", metavar="env:NAME|@FILE", callback=read_secret,
           help="Send this bearer token with each post."),
    option("--webhook-secret", metavar="env:NAME|@FILE", callback=read_secret,
           help="Sign each post with this secret, as the Standard Webhooks specification says."),
    option("--webhook-header", "webhook_headers", multiple=True, metavar="NAME=VALUE|NAME=env:NAME|NAME=@FILE",
           callback=read_headers, help="Send this header with each post; may be repeated."),
    option("--webhook-redirects", type=click.IntRange(0, 20), default=0, show_default=True, metavar="COUNT",
           help="Follow this many redirections of a post."),
)  # fmt: skip


def event_options(command: _F) -> _F:
    """Give a command the options of where events go, and of when something is one."""
    return _event_outputs(event_rules(command))


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Where tables for questions go."""

    parquet: Path | None

    def read(self, outputs: Outputs, name: str | None) -> Outputs:
        """Return outputs with the tables; ``name`` is that of the one video, if there is one."""
        if self.parquet is None:
            return outputs
        from maskinfer.engine.tables.columns import need_pyarrow
        from maskinfer.engine.tables.write import ParquetTables

        need_pyarrow()
        tables = ParquetTables(self.parquet)
        return replace(outputs, tables=tables if name is None else tables.of(Path(name)))


table_options = grouped(
    "tables", TableOptions, "Results",
    option("--parquet", type=Output("job"), metavar="FOLDER",
           help="Write tables of faces, visits and files into this folder, for `query` and `report`; needs "
                "maskinfer[table]."),
)  # fmt: skip
