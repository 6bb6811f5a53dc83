"""Events posted to a receiver over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from maskinfer.engine.errors import OnError
from maskinfer.engine.files.urls import public_host
from maskinfer.engine.flow.progress import SILENT
from maskinfer.engine.sinks.outbox import Outbox
from maskinfer.engine.sinks.webhook_post import WebhookOptions, poster
from maskinfer.engine.sinks.webhook_queue import queue_file


class Webhook(Outbox):
    """An outbox whose records are posted to a URL."""

    def __init__(
        self,
        url: str,
        *,
        options: WebhookOptions | None = None,
        file: Path | None = None,
        on_status: Callable[[str], None] = SILENT.say,
    ) -> None:
        options = options or WebhookOptions()
        send, file = poster(url, options), file or queue_file(url)
        super().__init__(public_host(url), send, file, timeout_s=options.timeout_s, on_status=on_status)


@contextmanager
def open_webhook(
    url: str,
    on_error: OnError,
    *,
    options: WebhookOptions | None = None,
    file: Path | None = None,
    on_status: Callable[[str], None] = SILENT.say,
    linger_s: float = 5.0,
) -> Iterator[Webhook]:
    """Post to a receiver until the block ends.

    Args:
        url: of http or https.
        on_error: called with a line for what did not get there.
        options: how the receiver is spoken to.
        file: that records wait in; None for ``queue_file(url)``.
        on_status: called with a line when the receiver stops taking events, and when it does so again.
        linger_s: how long the end waits for it.

    Raises:
        RequestError: the address is neither http nor https.
    """
    webhook = Webhook(url, options=options, file=file, on_status=on_status)
    try:
        yield webhook
    except KeyboardInterrupt:  # who asks to stop twice does not wait for a receiver
        linger_s = 0.0
        raise
    finally:
        for line in webhook.close(linger_s):
            on_error(line)
