"""Whom a control room tells what happens, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from maskinfer.control.settings.words import Listen, Name
from maskinfer.engine.schema import NotNegative

ChatService = Literal["slack", "discord", "teams", "mattermost", "telegram", "matrix", "ntfy"]
SentPicture = Literal["none", "blurred", "clear"]
"""Whether pictures of people are sent to somebody, and whether their faces can be recognized in them."""


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """An MQTT broker that is told what happens.

    Attributes:
        host: of the broker.
        port: of the broker; 1883, or 8883 with TLS, when it is left out.
        username, password: for the broker, such as ${MQTT_PASSWORD}; none when they are left out.
        tls: speak TLS, and check the broker's certificate.
        ca_file: certificates that the broker's is checked against, instead of the system's.
        password_file: whose first line is the password, such as a secret of Docker.
        cert_file, key_file: certificate and key by which the broker knows this program.
        topic: that all topics begin with.
        discovery: let Home Assistant find the cameras.
        discovery_prefix: that Home Assistant listens to.
        picture: send the picture of the latest violation of each camera, and whether with blurred faces.
    """

    host: Annotated[str, Meta(min_length=1)]
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: str | None = None
    password_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    topic: Annotated[str, Meta(pattern=r"^[^+#/\s][^+#\s]*(?!\n)$", title="a topic without + and #")] = "maskinfer"
    discovery: bool = True
    discovery_prefix: Annotated[str, Meta(pattern=r"^[^+#/\s][^+#\s]*(?!\n)$", title="a topic without + and #")] = (
        "homeassistant"
    )
    picture: SentPicture = "none"


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Figures for Prometheus, which the page shows at /metrics.

    Attributes:
        listen: a further address and port that show nothing but the figures, to anybody who reaches it.
    """

    listen: Listen | None = None


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """A receiver of events, as JSON.

    Attributes:
        url: such as ${DESK_URL}.
        token: bearer token that is sent with each post.
        secret: that posts are signed with, as the Standard Webhooks specification says.
        headers: that are sent besides.
        redirects: how many redirections are followed.
    """

    url: Annotated[str, Meta(min_length=1)] = field(repr=False)
    token: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    redirects: Annotated[int, Meta(ge=0, le=20)] = 0


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """A chat that is told of violations, and of cameras that are lost.

    Attributes:
        service: whose form the messages have.
        url: of slack, discord, teams and mattermost: the chat's incoming webhook, such as ${CHAT_URL}. Of ntfy: the
            topic's address. Of telegram and matrix: the server's address; https://api.telegram.org if it is left out.
        chat: the id of the chat of telegram, the room of matrix, or the channel of slack when it has a token.
        token: of the bot, for telegram, matrix and slack with pictures; of the account, for ntfy.
        cameras: that are told of; all when it is left out.
        zones: whose violations are told; all when it is left out.
        labels: of the violations that are told; all when it is left out.
        lost: tell when a camera is lost, and when it is back.
        picture: send the picture where the service takes one, and whether with blurred faces.
        pause_s: shortest time between two messages of violations before one camera, in seconds; what happened
            meanwhile is counted in the next one.
        page: address of the page that a message leads to.
    """

    service: ChatService
    url: str = field(default="", repr=False)
    chat: str | None = None
    token: str = field(default="", repr=False)
    cameras: tuple[Name, ...] = ()
    zones: tuple[Name, ...] = ()
    labels: tuple[str, ...] = ()
    lost: bool = True
    picture: SentPicture = "none"
    pause_s: NotNegative = 30.0
    page: str | None = None
