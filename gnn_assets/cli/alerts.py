"""`gnn alerts`: what was told to whom, what still waits, and a test message to every channel."""

from __future__ import annotations

import datetime as dt

from rich.console import Console

from gnn_assets.alerts.alert import TEST, WARNING, Alert
from gnn_assets.alerts.channels import DeliveryError, channels
from gnn_assets.alerts.outbox import WAITING
from gnn_assets.alerts.post import open_outbox
from gnn_assets.environment import Environment
from gnn_core.config.operations import SEVERITIES


def send_test(severity: str, console: Console) -> int:
    """Send a test message to the channels of a severity ("": to all that the configuration names), say which took it;
    exit code."""
    where = Environment.from_variables()
    settings = where.settings().alerts
    if severity and severity not in SEVERITIES:
        console.print(f"--severity {severity!r} is unknown; there are {', '.join(SEVERITIES)}")
        return 1
    routes = [settings.routes[severity]] if severity else settings.routes.values()
    names = sorted({name for route in routes for name in route})
    if not names:
        console.print("No channel is named in alerts.routes: alerts are kept in the outbox and told to nobody.")
        return 1
    opened, failed = channels(settings, where.secret), False
    for name in names:
        try:
            opened[name].deliver(test_message(where, dt.datetime.now(dt.UTC)))
            console.print(f"{name}: delivered")
        except DeliveryError as error:
            failed = True
            console.print(f"{name}: [red]not delivered[/red]: {error}", highlight=False)
    return 1 if failed else 0


def show(last: int, console: Console) -> None:
    """What is open, and the newest `last` messages with what became of them."""
    outbox = open_outbox(Environment.from_variables())
    if not outbox.messages:
        console.print("Nothing was ever told.")
        return
    for message in outbox.messages[-last:]:
        alert = Alert.from_json(message["alert"])
        lines = (f"{message['created_at'][:16]}  {alert.headline}", alert.found, _state(message["deliveries"]))
        console.print("\n                  ".join(lines), highlight=False, markup=False, soft_wrap=True)
    for subject, known in outbox.subjects.items():
        if known["open"]:
            again = f", failed {known['repeats']} more time(s) since its alert" if known["repeats"] else ""
            console.print(f"open: {subject}{again}", highlight=False, markup=False)


def test_message(where: Environment, now: dt.datetime) -> Alert:
    """What `gnn alerts test` sends."""
    return Alert(
        subject="test",
        occasion=now.isoformat(),
        at=now.isoformat(),
        severity=WARNING,
        title="alerts reach this channel",
        found="This is a test. Nothing is wrong, and nothing has to be done.",
        facts=(("Environment", where.name),),
        examples="",
        link=where.settings().alerts.base_url,
        kind=TEST,
    )


def _state(deliveries: dict[str, dict[str, object]]) -> str:
    if not deliveries:
        return "to nobody: alerts.routes names no channel"
    return "; ".join(
        f"{name}: {d['state']}" + (f" after {d['attempts']} attempt(s), {d['error']}" if d["state"] == WAITING else "")
        for name, d in deliveries.items()
    )
