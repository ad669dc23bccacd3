"""The NotificationRequest kind: a message for people, which others deliver."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from shared.api.groups import NOTIFICATION_REQUEST
from shared.api.meta import Condition, ObjectMeta

Address = Annotated[str, Meta(max_length=253)]
Url = Annotated[str, Meta(max_length=2048)]


class NotificationType(StrEnum):
    """What kind of message it is."""

    ESCALATION = "escalation"
    SIMPLE = "simple"
    STATUS_UPDATE = "status-update"


class Priority(StrEnum):
    """How urgent it is."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Channel(StrEnum):
    """By which way it goes."""

    EMAIL = "email"
    SLACK = "slack"
    TEAMS = "teams"
    SMS = "sms"
    WEBHOOK = "webhook"
    CONSOLE = "console"


class NotificationPhase(StrEnum):
    """How far its delivery is."""

    PENDING = "Pending"
    SENDING = "Sending"
    SENT = "Sent"
    PARTIALLY_SENT = "PartiallySent"
    FAILED = "Failed"


class Recipient(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One who is told, by at least one address."""

    email: Annotated[Address, Meta(description="Mail address.")] = ""
    slack: Annotated[Address, Meta(description="Slack channel or user.")] = ""
    teams: Annotated[Address, Meta(description="Teams channel or user.")] = ""
    phone: Annotated[Address, Meta(description="Telephone number.")] = ""
    webhook_url: Annotated[Url, Meta(description="Address that is posted to.")] = msgspec.field(
        default="", name="webhookURL"
    )


class ActionLink(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A place to look at or to act."""

    service: Annotated[str, Meta(min_length=1, max_length=64, description="What is there.")]
    url: Annotated[str, Meta(min_length=1, max_length=2048, description="Where it is.")]
    label: Annotated[str, Meta(max_length=256, description="What the link says.")] = ""


class DeliveryRetry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How often delivery is tried, and with what waits."""

    max_attempts: Annotated[int, Meta(ge=1, le=10, description="Tries in all.")] = 5
    initial_backoff_seconds: Annotated[
        int, Meta(ge=1, le=300, description="Seconds before the second try.")
    ] = 30
    backoff_multiplier: Annotated[
        int, Meta(ge=1, le=10, description="Each wait is this many times the one before.")
    ] = 2
    max_backoff_seconds: Annotated[
        int, Meta(ge=1, le=3600, description="Longest wait in seconds.")
    ] = 480


class NotificationSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What people are told."""

    type: Annotated[NotificationType, Meta(description="escalation, simple or status-update.")]
    priority: Annotated[Priority, Meta(description="critical, high, medium or low.")] = (
        Priority.MEDIUM
    )
    recipients: Annotated[
        list[Recipient], Meta(min_length=1, max_length=50, description="Who is told.")
    ]
    subject: Annotated[str, Meta(min_length=1, max_length=500, description="One line.")]
    body: Annotated[str, Meta(min_length=1, max_length=10_000, description="The message.")]
    channels: Annotated[
        list[Channel], Meta(min_length=1, max_length=6, description="By which ways it goes.")
    ]
    metadata: Annotated[
        dict[str, Annotated[str, Meta(max_length=1024)]],
        Meta(max_length=32, description="What it is about, for machines."),
    ] = {}
    action_links: Annotated[
        list[ActionLink], Meta(max_length=16, description="Where to look or act.")
    ] = []
    retry_policy: Annotated[DeliveryRetry, Meta(description="How delivery is tried again.")] = (
        DeliveryRetry()
    )
    retention_days: Annotated[
        int, Meta(ge=1, le=90, description="Days that it is kept after its delivery.")
    ] = 7


class NotificationStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What became of it; written by whoever delivers."""

    phase: Annotated[NotificationPhase, Meta(description="How far its delivery is.")] = (
        NotificationPhase.PENDING
    )
    reason: Annotated[str, Meta(max_length=64, description="CamelCase word.")] = ""
    message: Annotated[str, Meta(max_length=1024, description="For people.")] = ""
    queued_at: Annotated[datetime | None, Meta(description="When delivery took it up.")] = None
    completion_time: Annotated[datetime | None, Meta(description="When delivery ended.")] = None
    total_attempts: Annotated[int, Meta(ge=0, description="Tries so far.")] = 0
    conditions: Annotated[
        list[Condition], Meta(max_length=16, description="Standard conditions.")
    ] = []


class NotificationRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A message for people."""

    api_version: str = NOTIFICATION_REQUEST.api_version
    kind: str = NOTIFICATION_REQUEST.kind
    metadata: ObjectMeta
    spec: NotificationSpec
    status: NotificationStatus = NotificationStatus()


SHORT_NAME: Final = "notif"
