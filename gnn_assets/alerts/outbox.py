"""Told once, counted when repeated, retried until delivered. A value that is kept as one JSON document.

What belongs here: what is sent, when, and what is remembered. What does not: how it is sent (channels.py), where the
document lies (post.py).

A delivery is at least once: a process that dies between a channel's yes and the next write sends that alert again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from gnn_assets.alerts.alert import REPEATED, RESOLVED, Alert
from gnn_assets.alerts.channels import DeliveryError
from gnn_core.config import AlertSettings
from gnn_core.config.operations import SEVERITIES

log = logging.getLogger(__name__)
WAITING, SENT = "waiting", "sent"


class Channel(Protocol):
    """One attempt to tell somebody."""

    def deliver(self, alert: Alert) -> None:
        """Raises DeliveryError."""


class Outbox:
    """Subjects and what became of them; messages and who has got them.

    Args:
        content: `as_json` of before; None = nothing was ever told.
        settings: routes, windows, waits.
    """

    def __init__(self, content: Mapping[str, Any] | None, settings: AlertSettings) -> None:
        self._settings = settings
        known = content or {}
        self.subjects: dict[str, dict[str, Any]] = dict(known.get("subjects", {}))
        self.messages: list[dict[str, Any]] = list(known.get("messages", []))
        self.position: dict[str, Any] = dict(known.get("position", {}))
        """How far Dagster's runs have been looked at; written with what was found there, or not at all."""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"subjects": self.subjects, "messages": self.messages, "position": self.position}

    @property
    def waiting(self) -> list[dict[str, Any]]:
        """Messages that some channel has not taken yet."""
        return [m for m in self.messages if any(d["state"] == WAITING for d in m["deliveries"].values())]

    def is_open(self, subject: str) -> bool:
        """Whether the subject failed and was not seen well since."""
        return bool(self.subjects.get(subject, {}).get("open"))

    def take(self, alert: Alert, now: dt.datetime) -> None:
        """An alert: sent, counted as a repetition, or known already."""
        known = self.subjects.get(alert.subject)
        if known is not None and alert.occasion in known["occasions"]:
            return
        occasions = {**(known["occasions"] if known else {}), alert.occasion: alert.at}
        if known is not None and known["open"] and not _graver(alert, Alert.from_json(known["last"])):
            known.update(occasions=occasions, repeats=known["repeats"] + 1, last=alert.as_json())
            self._remind(alert.subject, now)
            return
        self.subjects[alert.subject] = {
            "open": True, "occasions": occasions, "repeats": 0, "sent_at": now.isoformat(), "last": alert.as_json(),
        }  # fmt: skip
        self._send(alert, now)

    def resolve(self, subject: str, scope: str, at: str, occasion: str, found: str, now: dt.datetime) -> None:
        """The subject was seen well: told once, if it was open, and if what is well is not an older week."""
        known = self.subjects.get(subject)
        if known is None or not known["open"] or occasion in known["occasions"]:
            return
        last = Alert.from_json(known["last"])
        if at <= last.at or (scope and last.scope and scope < last.scope):
            return
        known["open"] = False
        facts = (("Failed since", next(iter(known["occasions"].values()))[:16].replace("T", " ")), *last.facts[:2])
        self._send(replace(last, kind=RESOLVED, at=at, occasion=occasion, found=found, facts=facts, examples=""), now)

    def remind(self, now: dt.datetime) -> None:
        """Repetitions of what is still open are told as one message when their window is over."""
        for subject in self.subjects:
            self._remind(subject, now)

    def _remind(self, subject: str, now: dt.datetime) -> None:
        known = self.subjects[subject]
        window = dt.timedelta(hours=self._settings.repeat_hours)
        if not known["open"] or not known["repeats"] or now - dt.datetime.fromisoformat(known["sent_at"]) < window:
            return
        last = Alert.from_json(known["last"])
        count = ("Since the last alert", f"failed {known['repeats']} more time(s)")
        known.update(sent_at=now.isoformat(), repeats=0)
        self._send(replace(last, kind=REPEATED, facts=(count, *last.facts)), now)

    def _send(self, alert: Alert, now: dt.datetime) -> None:
        waiting = {"state": WAITING, "attempts": 0, "next_at": now.isoformat(), "error": ""}
        name = "\x1f".join((alert.kind, alert.subject, alert.occasion, now.isoformat()))
        self.messages.append(
            {
                "id": hashlib.sha256(name.encode()).hexdigest()[:12],
                "created_at": now.isoformat(),
                "alert": alert.as_json(),
                "deliveries": {channel: dict(waiting) for channel in self._settings.routes[alert.severity]},
            }
        )

    def deliver(self, channels: Mapping[str, Channel], now: dt.datetime, keep: Callable[[], None]) -> int:
        """Attempt what is due, oldest first; `keep` is called after each attempt. Number of deliveries.

        A channel that fails is left alone until the next look: its other messages would only wait for it too.
        """
        failed: set[str] = set()
        done = 0
        for message in self.waiting:
            for name, delivery in message["deliveries"].items():
                due = delivery["state"] == WAITING and dt.datetime.fromisoformat(delivery["next_at"]) <= now
                if not due or name in failed:
                    continue
                error = _attempt(channels[name], Alert.from_json(message["alert"]))
                delivery["attempts"] += 1
                if error is None:
                    delivery.update(state=SENT, error="", sent_at=now.isoformat())
                    done += 1
                else:
                    failed.add(name)
                    delivery.update(error=error, next_at=(now + self._wait(delivery["attempts"])).isoformat())
                    log.warning("alert %s: %s: attempt %d: %s", message["id"], name, delivery["attempts"], error)
                keep()
        return done

    def _wait(self, attempts: int) -> dt.timedelta:
        longest = self._settings.longest_retry_minutes * 60
        return dt.timedelta(seconds=min(self._settings.first_retry_seconds * 2.0 ** min(attempts - 1, 30), longest))

    def forget(self, now: dt.datetime) -> None:
        """Drop what was delivered or counted more than `kept_days` ago; what still waits stays, and so does what is
        open."""
        horizon = (now - dt.timedelta(days=self._settings.kept_days)).isoformat()
        waiting = {m["id"] for m in self.waiting}
        self.messages = [m for m in self.messages if m["id"] in waiting or m["created_at"] >= horizon]
        for subject, known in list(self.subjects.items()):
            known["occasions"] = {k: at for k, at in known["occasions"].items() if at >= horizon}
            if not known["open"] and not known["occasions"]:
                del self.subjects[subject]


def _graver(alert: Alert, last: Alert) -> bool:
    """Whether what was a warning is now an error, say: that is no repetition, and other people may have to know."""
    return SEVERITIES.index(alert.severity) < SEVERITIES.index(last.severity)


def _attempt(channel: Channel, alert: Alert) -> str | None:
    try:
        channel.deliver(alert)
    except DeliveryError as error:
        return str(error)
    except Exception as error:  # one channel's defect must not silence the other, nor send what was sent again
        return f"unexpected {type(error).__name__}"  # its text may quote an address or a password
    return None
