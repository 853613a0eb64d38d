"""Settings of operations: who is told what, when data count as arrived, when something is stale."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from gnn_core.config.checks import at_least, one_of
from gnn_core.errors import ConfigError

CHANNELS = ("webhook", "email")
SEVERITIES = ("critical", "error", "warning")


@dataclass(frozen=True)
class AlertSettings:
    """Who is told about red checks and failed runs, and how. Secrets stand in the environment, never here."""

    SECTION: ClassVar[str] = "alerts"

    base_url: str
    """Address of Dagster's pages, as the reader of an alert reaches it."""
    routes: dict[str, tuple[str, ...]]
    """Severity → channels. Without a channel an alert is kept in the outbox and told to nobody."""
    urgent_checks: tuple[str, ...]
    """Checks that block nothing and yet are critical when they fail."""
    webhook_url_variable: str
    """Environment variable with the webhook's address, which is a secret."""
    smtp_host: str | None
    smtp_port: int
    smtp_security: str
    """`starttls`, `tls` from the first byte on, or `none`."""
    smtp_user: str | None
    smtp_password_variable: str
    """Environment variable with the password of `smtp_user`."""
    email_from: str | None
    email_to: tuple[str, ...]
    repeat_hours: float
    """A failure of the same thing within this time of its alert is counted, not sent."""
    first_look_hours: float
    """How far back the first look goes, so that an old installation does not send its history."""
    overlap_minutes: float
    """Runs are looked at again for this long after their last change: clocks of pods differ."""
    first_retry_seconds: float
    """Wait after the first failed delivery; doubles each time."""
    longest_retry_minutes: float
    timeout_seconds: float
    """Longest wait for a channel's answer; a sensor has a minute in all."""
    kept_days: int
    """How long the outbox remembers what was delivered."""

    def __post_init__(self) -> None:
        if set(self.routes) != set(SEVERITIES):
            raise ConfigError(f"alerts.routes names {sorted(self.routes)}; give channels for {', '.join(SEVERITIES)}")
        used = {channel for channels in self.routes.values() for channel in channels}
        if unknown := sorted(used - set(CHANNELS)):
            raise ConfigError(f"alerts.routes names {', '.join(unknown)}; channels are {', '.join(CHANNELS)}")
        if "email" in used and not (self.smtp_host and self.email_from and self.email_to):
            raise ConfigError("alerts.routes names email; alerts.smtp_host, email_from and email_to must be given too")
        one_of(self, "smtp_security", ("starttls", "tls", "none"))
        if self.smtp_user and self.smtp_security == "none":
            raise ConfigError("alerts.smtp_user with smtp_security none would send the password in the clear")
        if not re.fullmatch(r"https?://\S+", self.base_url):
            raise ConfigError(f"alerts.base_url is {self.base_url!r}; it must start with http:// or https://")
        for name in ("webhook_url_variable", "smtp_password_variable"):
            if not re.fullmatch(r"[A-Z][A-Z0-9_]*", getattr(self, name)):
                raise ConfigError(
                    f"alerts.{name} must be the name of an environment variable, such as GNN_ALERT_SECRET; the secret "
                    "itself belongs into that variable"
                )
        for name in ("repeat_hours", "first_look_hours", "overlap_minutes"):
            at_least(self, name, 0)
        at_least(self, "first_retry_seconds", 1)
        at_least(self, "longest_retry_minutes", self.first_retry_seconds / 60)
        at_least(self, "timeout_seconds", 1)
        at_least(self, "kept_days", 1)
        if self.kept_days * 24 < self.repeat_hours or self.kept_days * 24 * 60 < self.overlap_minutes:
            raise ConfigError("alerts.kept_days is shorter than repeat_hours or overlap_minutes: alerts would repeat")


@dataclass(frozen=True)
class ArrivalSettings:
    """When the data of a week count as complete, and when something counts as stale."""

    SECTION: ClassVar[str] = "arrivals"

    settle_minutes: float
    """New data start a refresh when nothing has changed for this long: loads come in pieces."""
    look_every_minutes: float
    """How often the sources are asked."""
    max_input_age_hours: float
    """The newest event of the stream is older than this: the feed has stopped."""
    max_published_age_days: float
    """The published table is older than this."""

    def __post_init__(self) -> None:
        at_least(self, "settle_minutes", 0)
        at_least(self, "look_every_minutes", 0.5)
        at_least(self, "max_input_age_hours", 1)
        at_least(self, "max_published_age_days", 1)
