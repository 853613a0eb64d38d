"""What an alert says, and its two renderings: Slack's blocks, and an e-mail's plain text.

What belongs here: the words. What does not: when it is sent (outbox.py), by what (channels.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

CRITICAL, ERROR, WARNING = "critical", "error", "warning"
RAISED, REPEATED, RESOLVED, TEST = "raised", "repeated", "resolved", "test"
MARKS = {CRITICAL: "🔴", ERROR: "🟠", WARNING: "🟡"}
_HEADER, _SECTION, _FIELD, _FIELDS = 150, 3000, 2000, 10
"""Slack's limits: characters of a header, a section, a field; fields of a section."""


@dataclass(frozen=True)
class Alert:
    """One thing that somebody should know. Holds no secret and names no person."""

    subject: str
    """What it is about, the same from run to run: repetitions are recognised by it."""
    occasion: str
    """The run in which it happened; with the subject, what is told once."""
    at: str
    """ISO moment, UTC."""
    severity: str
    title: str
    found: str
    """What was found, in a sentence."""
    facts: tuple[tuple[str, str], ...]
    """Label and value, in the order in which they are read."""
    examples: str
    """A few offenders, keys of persons hashed; empty when there are none."""
    link: str
    scope: str = ""
    """Partition, so that a week that is well does not resolve a later one."""
    kind: str = RAISED

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the outbox."""
        return {**asdict(self), "facts": [list(fact) for fact in self.facts]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Alert:
        """From `as_json`."""
        return cls(**{**content, "facts": tuple((label, value) for label, value in content["facts"])})

    @property
    def headline(self) -> str:
        """One line, for a list, a subject line or a phone."""
        words = {REPEATED: "again: ", RESOLVED: "resolved: ", TEST: "test: "}.get(self.kind, "")
        mark = "🟢" if self.kind == RESOLVED else MARKS[self.severity]
        return f"{mark} {words}{self.title}"


def slack_message(alert: Alert) -> dict[str, Any]:
    """Payload of an incoming webhook; `text` is what a notification shows."""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(alert.headline, _HEADER), "emoji": True}},
        {"type": "section", "text": {"type": "mrkdwn", "text": _cut(_escaped(alert.found), _SECTION)}},
    ]
    fields = [
        {"type": "mrkdwn", "text": _cut(f"*{_escaped(label)}*\n{_escaped(value)}", _FIELD)}
        for label, value in alert.facts
    ]
    blocks += [{"type": "section", "fields": fields[i : i + _FIELDS]} for i in range(0, len(fields), _FIELDS)]
    if alert.examples:
        text = "```" + _cut(_escaped(alert.examples), _SECTION - 6) + "```"
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text}})
    link = f"<{alert.link}|Open it in Dagster> · {alert.at[:16].replace('T', ' ')} UTC"
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": link}]})
    return {"text": alert.headline, "blocks": blocks}


def plain_text(alert: Alert) -> str:
    """Body of an e-mail."""
    lines = [alert.headline, "", alert.found, ""]
    width = max((len(label) for label, _ in alert.facts), default=0)
    lines += [f"{label + ':':<{width + 1}} {value}" for label, value in alert.facts]
    if alert.examples:
        lines += ["", "Examples:", alert.examples]
    return "\n".join([*lines, "", alert.link, f"{alert.at[:16].replace('T', ' ')} UTC", ""])


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _escaped(text: str) -> str:
    """Slack's three control characters, so that no value of a table can become a link or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
