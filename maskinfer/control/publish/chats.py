"""Messages in the form that each chat service documents, with the picture where it takes one.

=============  ==========================================================================================  ========
service        documentation                                                                               picture
=============  ==========================================================================================  ========
slack          https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks                   by a bot
slack (bot)    https://docs.slack.dev/reference/methods/files.completeUploadExternal                       yes
discord        https://docs.discord.com/developers/resources/webhook#execute-webhook                       yes
teams          https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/         small
               connectors-using, in a workflow that posts the card
mattermost     https://developers.mattermost.com/integrate/webhooks/incoming                               no
telegram       https://core.telegram.org/bots/api#sendphoto                                                yes
matrix         https://spec.matrix.org/latest/client-server-api, m.image; rooms without encryption         yes
ntfy           https://docs.ntfy.sh/publish                                                                yes
=============  ==========================================================================================  ========
"""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.header import Header
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

from maskinfer.control.settings.receivers import ChatService, NotifySettings
from maskinfer.engine.sinks.webhook_post import Answer

TELEGRAM, SLACK = "https://api.telegram.org", "https://slack.com/api"
# A message of Teams has 28 KB at most, and a picture in it takes a third more than its bytes.
_TEAMS_PICTURE_BYTES = 16_000
_FILE = "person.jpg"
_NO_PICTURE = (400, 413, 415, 422)
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Message:
    """What a chat is told.

    Attributes:
        id: of the message, the same at each try.
        title: what happened, in a few words, one line.
        text: the whole of it, one line.
        link: to the page; empty for none.
        picture: a JPEG; None for none.
        size_wh: width and height of the picture in pixels.
    """

    id: str
    title: str
    text: str
    link: str = ""
    picture: bytes | None = field(default=None, repr=False)
    size_wh: tuple[int, int] = (0, 0)


class Ask(Protocol):
    """Sends a request and returns the answer with its body."""

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str], method: str = "POST") -> Answer:
        """Send it; never raises."""


Tell = Callable[[NotifySettings, Message, Ask], Answer]


def tell_chat(settings: NotifySettings, message: Message, ask: Ask) -> Answer:
    """Send a message to a chat.

    A service that refuses the picture, such as one that takes no files, gets the message without it.

    Args:
        settings: where to.
        message: what it is told.
        ask: sends each request.
    """
    settings = replace(settings, url=settings.url.rstrip("/"))
    tell = _SERVICES[settings.service]
    answer = tell(settings, message, ask)
    if message.picture is not None and answer.status in _NO_PICTURE:
        answer = tell(settings, replace(message, picture=None), ask)
    return _patient(answer)


def takes_picture(settings: NotifySettings) -> bool:
    """Tell whether a service takes a picture with a message."""
    return settings.service != "mattermost" and (settings.service != "slack" or bool(settings.token))


def most_picture_bytes(settings: NotifySettings) -> int | None:
    """Return how large a picture may be, in bytes; None for any size."""
    return _TEAMS_PICTURE_BYTES if settings.service == "teams" else None


def _slack(settings: NotifySettings, message: Message, ask: Ask) -> Answer:
    link = f" <{message.link}|Open the page>" if message.link else ""
    words = _slack_text(message.text) + link
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": message.title[:150]}},
        {"type": "section", "text": {"type": "mrkdwn", "text": words}},
    ]
    said = {"text": _slack_text(f"{message.title}: {message.text}"), "blocks": blocks}
    if not settings.token:
        return ask(settings.url, _json(said), _JSON)
    bearer, base = {"Authorization": f"Bearer {settings.token}"}, settings.url or SLACK
    if message.picture is None:
        return _checked(ask(f"{base}/chat.postMessage", _json({"channel": settings.chat, **said}), {**_JSON, **bearer}))
    asked = {"filename": _FILE, "length": len(message.picture), "alt_txt": message.title}
    form = {"Content-Type": "application/x-www-form-urlencoded", **bearer}
    answer = _checked(ask(f"{base}/files.getUploadURLExternal", urlencode(asked).encode(), form))
    told = _said(answer)
    place, file_id = str(told.get("upload_url", "")), str(told.get("file_id", ""))
    if not answer.is_taken or urlsplit(place).scheme != urlsplit(base).scheme:
        return answer if not answer.is_taken else Answer(400, "400 Slack names no place for the picture")
    answer = ask(place, message.picture, {"Content-Type": "image/jpeg"})
    if not answer.is_taken:
        return answer
    done = {
        "files": [{"id": file_id, "title": message.title}],
        "channel_id": settings.chat,
        "initial_comment": f"*{_slack_text(message.title)}*\n{words}",
    }
    return _checked(ask(f"{base}/files.completeUploadExternal", _json(done), {**_JSON, **bearer}))


def _discord(settings: NotifySettings, message: Message, ask: Ask) -> Answer:
    embed: dict[str, Any] = {"title": message.title[:256], "description": message.text[:4096]}
    if message.link:
        embed["url"] = message.link
    # Names in the text mention nobody.
    said = {"embeds": [embed], "allowed_mentions": {"parse": []}}
    if message.picture is None:
        return ask(settings.url, _json(said), _JSON)
    embed["image"] = {"url": f"attachment://{_FILE}"}
    said["attachments"] = [{"id": 0, "filename": _FILE, "description": message.title}]
    return ask(settings.url, *_form({"payload_json": json.dumps(said)}, "files[0]", message.picture))


def _teams(settings: NotifySettings, message: Message, ask: Ask) -> Answer:
    body: list[dict[str, Any]] = [
        {"type": "TextBlock", "text": message.title, "weight": "Bolder", "size": "Medium", "wrap": True},
        {"type": "TextBlock", "text": message.text, "wrap": True},
    ]
    if message.picture is not None:
        data = f"data:image/jpeg;base64,{b64encode(message.picture).decode()}"
        body.append({"type": "Image", "url": data, "altText": message.title})
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if message.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open the page", "url": message.link}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return ask(settings.url, _json({"type": "message", "attachments": [attachment]}), _JSON)


def _mattermost(settings: NotifySettings, message: Message, ask: Ask) -> Answer:
    link = f" [Open the page]({message.link})" if message.link else ""
    return ask(settings.url, _json({"text": f"**{message.title}**\n{message.text}{link}"}), _JSON)


def _telegram(settings: NotifySettings, message: Message, ask: Ask) -> Answer:
    base = f"{settings.url or TELEGRAM}/bot{settings.token}"
    text = "\n".join(filter(None, (message.title, message.text, message.link)))
    if message.picture is None:
        said = {"chat_id": settings.chat, "text": text[:4096], "link_preview_options": {"is_disabled": True}}
        return ask(f"{base}/sendMessage", _json(said), _JSON)
    fields = {"chat_id": str(settings.chat), "caption": text[:1024]}
    return ask(f"{base}/sendPhoto", *_form(fields, "photo", message.picture))


def _matrix(settings: NotifySettings, message: Message, ask: Ask) -> Answer:
    bearer = {"Authorization": f"Bearer {settings.token}"}
    text = "\n".join(filter(None, (f"{message.title}: {message.text}", message.link)))
    content: dict[str, Any] = {"msgtype": "m.text", "body": text}
    if message.picture is not None:
        place = f"{settings.url}/_matrix/media/v3/upload?filename={_FILE}"
        answer = ask(place, message.picture, {"Content-Type": "image/jpeg", **bearer})
        uri = _said(answer).get("content_uri")
        if not answer.is_taken or not isinstance(uri, str):
            return answer if not answer.is_taken else Answer(400, "400 the picture got no address")
        width, height = message.size_wh
        info = {"mimetype": "image/jpeg", "size": len(message.picture), "w": width, "h": height}
        content |= {"msgtype": "m.image", "filename": _FILE, "url": uri, "info": info}
    room = quote(str(settings.chat), safe="")
    # The transaction's id makes the server drop a message that it has already.
    place = f"{settings.url}/_matrix/client/v3/rooms/{room}/send/m.room.message/{quote(message.id, safe='')}"
    return ask(place, _json(content), {**_JSON, **bearer}, "PUT")


def _ntfy(settings: NotifySettings, message: Message, ask: Ask) -> Answer:
    headers = {"Title": _header(message.title), "Tags": "mask"}
    if settings.token:
        headers["Authorization"] = f"Bearer {settings.token}"
    if message.link:
        headers["Click"] = message.link
    if message.picture is None:
        return ask(settings.url, message.text.encode(), {"Content-Type": "text/plain; charset=utf-8", **headers})
    headers |= {"Message": _header(message.text), "Filename": _FILE, "Content-Type": "image/jpeg"}
    return ask(settings.url, message.picture, headers, "PUT")


_SERVICES: dict[ChatService, Tell] = {
    "slack": _slack,
    "discord": _discord,
    "teams": _teams,
    "mattermost": _mattermost,
    "telegram": _telegram,
    "matrix": _matrix,
    "ntfy": _ntfy,
}


def _json(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode()


def _said(answer: Answer) -> dict[str, Any]:
    """Return what a service said, if it is an object of JSON."""
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _checked(answer: Answer) -> Answer:
    """Return Slack's answer, which says in its body whether it is a refusal."""
    if not answer.is_taken:
        return answer
    said = _said(answer)
    error = str(said.get("error", "an answer that is none"))[:80]
    return answer if said.get("ok") is True else Answer(400, f"400 {error}")


def _patient(answer: Answer) -> Answer:
    """Return an answer with the pause that its body asks for: Telegram, Discord and older servers of Matrix do so."""
    if answer.status != 429 or answer.retry_after_s:
        return answer
    said = _said(answer)
    inner = said.get("parameters")
    for value, scale in (
        (inner.get("retry_after") if isinstance(inner, dict) else None, 1.0),
        (said.get("retry_after"), 1.0),
        (said.get("retry_after_ms"), 0.001),
    ):
        if isinstance(value, int | float) and value > 0:
            return replace(answer, retry_after_s=float(value) * scale)
    return answer


def _slack_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _header(text: str) -> str:
    """Return a text as an HTTP header: by RFC 2047 if it has other letters than ASCII."""
    return text if text.isascii() else Header(text, "utf-8", maxlinelen=10_000).encode()


def _form(fields: Mapping[str, str], name: str, picture: bytes) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a form (RFC 7578) with a picture."""
    border = secrets.token_hex(16)
    parts = [
        f'--{border}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    head = f'--{border}\r\nContent-Disposition: form-data; name="{name}"; filename="{_FILE}"\r\n'
    parts += [f"{head}Content-Type: image/jpeg\r\n\r\n".encode(), picture, f"\r\n--{border}--\r\n".encode()]
    return b"".join(parts), {"Content-Type": f"multipart/form-data; boundary={border}"}
