"""What the settings file of a control room, ``watch.toml``, may hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from maskinfer.control.settings.receivers import MetricsSettings, MqttSettings, NotifySettings, WebhookSettings
from maskinfer.control.settings.words import Listen, Name
from maskinfer.engine.contract import Label
from maskinfer.engine.schema import Count, NotNegative, Positive, Share

Hours = Annotated[
    str,
    Meta(
        pattern=r"^(?:[a-z]{3}(?:-[a-z]{3})?(?:,[a-z]{3}(?:-[a-z]{3})?)* )?\d\d:\d\d-\d\d:\d\d(?!\n)$",
        title='hours such as "07:00-19:30", "mon-fri 07:00-19:30" or "sat,sun 22:00-06:00"',
    ),
]
Corner = tuple[Share, Share]
"""x and y as shares of the picture's width and height, from its upper left corner."""
Polygon = Annotated[tuple[Corner, ...], Meta(min_length=3, max_length=100)]
Ends = tuple[Corner, Corner]
Role = Literal["admin", "guard", "viewer"]


@dataclass(frozen=True, slots=True)
class ZoneSettings:
    """A part of a camera's picture with rules of its own; a face is in the zone that holds its lower edge's middle.

    Attributes:
        name: one of the zones of its camera.
        polygon: its corners, as shares of the picture's width and height from the upper left corner.
        allowed: labels that are no violation, of those that the classifier knows.
        hold_s: how long another label must last in the zone before it is a violation, in seconds.
        cooldown_s: shortest time between two violations of one person in the zone, in seconds.
    """

    name: Name
    polygon: Polygon
    allowed: tuple[Label, ...] = ("with_mask",)
    hold_s: NotNegative = 1.0
    cooldown_s: NotNegative = 10.0


@dataclass(frozen=True, slots=True)
class LineSettings:
    """A line that counts who passes it, and which way.

    Attributes:
        name: one of the lines of its camera.
        ends: its two ends, as shares of the picture's width and height from the upper left corner. Over a line drawn
            from left to right, people who come down the picture, towards the camera, go in.
    """

    name: Name
    ends: Ends


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """A camera.

    Attributes:
        name: by which pages, events and topics call it.
        url: its address, such as rtsp://${DOOR_USER}:${DOOR_PASSWORD}@10.0.0.7/main; the index of a camera of this
            machine, such as "0"; or a video file.
        look_at: address of a second stream of the camera with a lower resolution, which is looked at instead, while
            the first one is recorded.
        max_fps: most frames a second that are looked at; the others are left out.
        every_frame: look at every frame, even one in which nothing has changed since the last that was looked at.
        active: hours in which it is watched, such as "mon-fri 07:00-19:30"; always, when there are none.
        time_zone: of its hours, such as Europe/Berlin; that of the whole file when it is left out.
        record: keep a recording, see the part recording.
        zones: parts of the picture with rules of their own; without one, the whole picture is a zone without a name.
        lines: that count who passes.
    """

    name: Name
    url: Annotated[str, Meta(min_length=1)] = field(repr=False)
    look_at: Annotated[str, Meta(min_length=1)] | None = field(default=None, repr=False)
    max_fps: Positive | None = None
    every_frame: bool = False
    active: tuple[Hours, ...] = ()
    time_zone: str | None = None
    record: bool = False
    zones: tuple[ZoneSettings, ...] = ()
    lines: tuple[LineSettings, ...] = ()


@dataclass(frozen=True, slots=True)
class VisitSettings:
    """When a face counts as a person's visit, and a label as settled; what is left out is the measured default.

    Attributes:
        min_score: labels with a lower probability count as uncertain.
        appear_s: faces that are gone sooner are no visit, in seconds.
        hold_s: how long a label must last before it is settled or changed, in seconds.
        cooldown_s: shortest time between two changes of one person, in seconds.
        leave_s: a person who was not seen for longer has left, in seconds.
        join_s: broken tracks of one person are joined over a gap up to so long, in seconds.
    """

    min_score: Share | None = None
    appear_s: NotNegative | None = None
    hold_s: NotNegative | None = None
    cooldown_s: NotNegative | None = None
    leave_s: NotNegative | None = None
    join_s: NotNegative | None = None


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which models look at the pictures, and where they run.

    Attributes:
        detector: name or file of the face detector.
        classifier: name or file of the mask classifier.
        shadow: name or file of a classifier that looks too, but whose labels do not count; how it differs is told each
            hour and at the end.
        preset: what ``auto`` stands for, and how often the models look: ``fast``, ``balanced`` or ``accurate``.
        provider: execution provider, such as cpu, cuda or openvino; ``auto`` is what ``maskinfer tune`` found, if it
            was run.
        threads: CPU threads of the models; all that are available when it is left out.
    """

    detector: str = "auto"
    classifier: str = "auto"
    shadow: str = ""
    preset: Literal["fast", "balanced", "accurate"] = "balanced"
    provider: str = "auto"
    threads: Count | None = None


@dataclass(frozen=True, slots=True)
class PageSettings:
    """The page and the HTTP API.

    Attributes:
        listen: address and port; any address but one of this machine itself needs accounts or tokens.
        hosts: names under which the page is reached besides this machine's own, such as watch.example.org behind a
            server that speaks HTTPS; addresses in digits need no entry.
        live_fps: most live pictures a second of each camera, which are made only while somebody looks. Of small ones,
            as with several cameras on a page, there are two a second at most.
        secure: the page is reached by HTTPS, through a server before it: cookies are sent over HTTPS only.
        max_upload_mb: largest request with images that the API takes, in megabytes (10^6 bytes).
    """

    listen: Listen = "127.0.0.1:8600"
    hosts: tuple[
        Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,253}(?!\n)$", title="a host name without port")], ...
    ] = ()
    live_fps: Positive = 5.0
    secure: bool = False
    max_upload_mb: Positive = 20.0


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """Somebody who may see the page.

    Attributes:
        name: to log in with.
        password_hash: from maskinfer serve --hash-password.
        role: an admin sees and changes everything; a guard sees everything; a viewer sees faces blurred only.
    """

    name: Name
    password_hash: str = field(repr=False)
    role: Role = "guard"


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """A program that may use the API, with a bearer token.

    Attributes:
        name: of the program.
        token: at least 16 characters, such as ${GRAFANA_TOKEN}.
        role: what it may do, as for an account.
    """

    name: Name
    token: str = field(repr=False)
    role: Role = "guard"


@dataclass(frozen=True, slots=True)
class Keep:
    """How much of one kind is kept; the oldest go first.

    Attributes:
        days: how long; for ever when it is left out.
        violation_days: how long what shows or tells a violation is kept; as the others when it is left out.
        max_gb: how much at most, in gigabytes (10^9 bytes); without a limit when it is left out.
    """

    days: Positive | None = None
    violation_days: Positive | None = None
    max_gb: Positive | None = None


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """What is kept, and for how long.

    Attributes:
        events: visits and what is told of cameras, without their pictures.
        pictures: of visits.
        recordings: of cameras.
    """

    events: Keep = Keep(days=365)
    pictures: Keep = Keep(days=30, violation_days=90, max_gb=5)
    recordings: Keep = Keep(days=7, max_gb=50)


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where visits, pictures and recordings are kept.

    Attributes:
        folder: is made when it is not there; a relative one is taken from the folder of the settings file.
        retention: what is kept, and for how long.
    """

    folder: str = "watch-data"
    retention: RetentionSettings = field(default_factory=RetentionSettings)


@dataclass(frozen=True, slots=True)
class CollectSettings:
    """Pictures that are kept to be labelled, as maskinfer collect keeps them; they show people.

    Attributes:
        folder: of the place, for maskinfer label; a relative one is taken from the folder of the settings file.
        cameras: of which pictures are kept; all of them, when there are none.
        reasons: for which pictures are taken to learn from.
        per_visit: most pictures of one visit.
        per_day: most pictures of one day, of all cameras together.
        test_share: of the visits that only test: one random picture of each is taken, whatever it shows.
        min_face_px: smaller faces are no reason to take a picture; the shorter side, in pixels.
        days: pictures that nobody labelled are removed after so many days; never, when it is left out.
    """

    folder: Annotated[str, Meta(min_length=1)] = "site"
    cameras: tuple[Name, ...] = ()
    reasons: tuple[Literal["uncertain", "labels change", "low margin", "near threshold"], ...] = (
        "uncertain",
        "labels change",
        "low margin",
        "near threshold",
    )
    per_visit: Count = 2
    per_day: Count = 50
    test_share: Share = 0.2
    min_face_px: NotNegative = 24.0
    days: Positive | None = 30.0


@dataclass(frozen=True, slots=True)
class RecordingSettings:
    """How cameras with record = true are recorded.

    Attributes:
        segment_s: length of a recording's files, in seconds.
    """

    segment_s: Annotated[float, Meta(ge=1)] = 600.0


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a control room: what it watches, what it keeps, and whom it tells.

    Attributes:
        cameras: what is watched.
        time_zone: of active hours and of days in reports, such as Europe/Berlin; the machine's when it is left out.
        models: which models look.
        visits: when a face counts as a visit.
        page: the page and the HTTP API.
        accounts: who may see the page.
        tokens: programs that may use the API.
        store: where what happened is kept.
        recording: how cameras are recorded.
        collect: which pictures are kept to be labelled; none when it is left out.
        mqtt: a broker that is told what happens; none when it is left out.
        metrics: figures for Prometheus.
        webhooks: receivers of events.
        notify: chats that are told of violations.
    """

    cameras: Annotated[tuple[CameraSettings, ...], Meta(min_length=1)]
    time_zone: str | None = None
    models: ModelSettings = field(default_factory=ModelSettings)
    visits: VisitSettings = field(default_factory=VisitSettings)
    page: PageSettings = field(default_factory=PageSettings)
    accounts: tuple[AccountSettings, ...] = ()
    tokens: tuple[TokenSettings, ...] = ()
    store: StoreSettings = field(default_factory=StoreSettings)
    recording: RecordingSettings = field(default_factory=RecordingSettings)
    collect: CollectSettings | None = None
    mqtt: MqttSettings | None = None
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    webhooks: tuple[WebhookSettings, ...] = ()
    notify: tuple[NotifySettings, ...] = ()
