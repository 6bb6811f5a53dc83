"""Where events go: a JSON Lines file that grows while it is read, standard output, a webhook."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from maskinfer.engine.errors import OnError
from maskinfer.engine.files.atomic import IsPartial, never_partial
from maskinfer.engine.files.jsonl import open_lines
from maskinfer.engine.flow.progress import SILENT
from maskinfer.engine.records import CameraRecord, EventRecord
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sinks.events import Event, EventLog, EventOptions
from maskinfer.engine.sinks.run import Run
from maskinfer.engine.sinks.webhook import open_webhook
from maskinfer.engine.sinks.webhook_post import WebhookOptions
from maskinfer.engine.sources.changes import CameraChange

CropOf = Callable[[str, int, str], "str | None"]


@dataclass(frozen=True, slots=True)
class EventTargets:
    """Where events go, and what counts as one.

    Attributes:
        file: a JSON Lines file, or ``-`` for standard output; None for no file.
        webhook: the URL that each event is posted to; None for no webhook.
        webhook_options: how its receiver is addressed.
        options: when something counts as an event.
    """

    file: str | None = None
    webhook: str | None = None
    webhook_options: WebhookOptions = field(default_factory=WebhookOptions)
    options: EventOptions = field(default_factory=EventOptions)


@dataclass(frozen=True, slots=True)
class OpenEvents:
    """Where events go; call it with every result of any source, those of a source in their order.

    Attributes:
        add: what takes the results.
        tell: what is called when a camera is lost or is back, before the first result after that.
    """

    add: Callable[[FrameResult], None] = lambda result: None
    tell: Callable[[CameraChange], None] = lambda change: None

    def __call__(self, result: FrameResult) -> None:
        """Turn a result into events."""
        self.add(result)


@contextmanager
def open_events(
    targets: EventTargets | None,
    on_error: OnError,
    *,
    crop_of: CropOf | None = None,
    run: Run | None = None,
    on_status: Callable[[str], None] = SILENT.say,
    is_partial: IsPartial = never_partial,
) -> Iterator[OpenEvents]:
    """Give what takes every result of any source; when the block ends, everyone who is still there leaves.

    Args:
        targets: None for no events.
        on_error: called with a line for what could not be delivered.
        crop_of: gives the picture of a source's face under a label, which then is in the records.
        run: of a watch, which appends to the file, a line at once; one that cannot be written is told to ``on_error``
            and ends nothing. Without one the events have a run of their own.
        on_status: called with a line when the webhook's receiver stops taking events, and when it does so again.
        is_partial: asked when the file is finished; see ``atomic_write``.

    Raises:
        OutputError: the file cannot be written. RequestError: the webhook is no address.
    """
    if targets is None or (targets.file is None and targets.webhook is None):
        yield OpenEvents()
        return
    logs: dict[str, EventLog] = {}
    stamp = (run or Run()).stamp
    with ExitStack() as stack:
        sends: list[Callable[[Mapping[str, Any]], None]] = []
        if targets.file is not None:
            write = stack.enter_context(
                open_lines(targets.file, on_error=None if run is None else on_error, is_partial=is_partial)
            )
            sends.append(lambda record: write(json.dumps(record, ensure_ascii=False)))
        if targets.webhook is not None:
            opened = open_webhook(targets.webhook, on_error, options=targets.webhook_options, on_status=on_status)
            sends.append(stack.enter_context(opened).post)

        def send(events: Iterable[Event]) -> None:
            for event in events:
                record: EventRecord = {**event.to_dict(), "id": uuid4().hex, **stamp()}
                if crop_of is not None:
                    record["crop"] = crop_of(event.source, event.track_id, event.label)
                for one in sends:
                    one(record)

        def tell(change: CameraChange) -> None:
            record: CameraRecord = {"event": change.kind, "source": change.source, "reason": change.reason or None}
            for one in sends:
                one({**record, "id": uuid4().hex, **stamp()})
            if change.kind == "camera_lost" and change.source in logs:
                send(logs[change.source].finish("camera lost"))

        yield OpenEvents(
            lambda result: send(logs.setdefault(result.source, EventLog(targets.options)).add(result)), tell
        )
        for log in logs.values():
            send(log.finish())
