"""Told once, repetitions counted, delivered in the end, and told when it is over."""

import copy
import datetime as dt
from dataclasses import replace

import pytest

from gnn_assets.alerts.alert import CRITICAL, ERROR, WARNING, Alert, plain_text, slack_message
from gnn_assets.alerts.channels import DeliveryError
from gnn_assets.alerts.outbox import Outbox
from gnn_assets.environment import PROJECT
from gnn_core.config import load_settings
from gnn_core.errors import ConfigError

T0 = dt.datetime(2026, 3, 2, 5, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
BASE = load_settings(PROJECT / "configs" / "gnn_config.yaml").alerts
MAIL = {"smtp_host": "localhost", "email_from": "a@example.com", "email_to": ("b@example.com",)}
ROUTES = {"critical": ("webhook", "email"), "error": ("webhook",), "warning": ()}
SETTINGS = replace(BASE, routes=ROUTES, repeat_hours=12.0, first_retry_seconds=60.0, longest_retry_minutes=10.0, **MAIL)
PRICE = Alert(
    subject="check:recommendation_candidates:price_floor", occasion="run-1", at=T0.isoformat(), severity=CRITICAL,
    title="price_floor is red", found="4 offend", facts=(("Check", "price_floor"), ("Week", "2026-02-23")),
    examples="", link="http://localhost:3000/runs/run-1", scope="2026-02-23",
)  # fmt: skip


class Listener:
    """A channel that fails as often as told."""

    def __init__(self, fails=0, error=None):
        self.fails, self.error, self.heard = fails, error or DeliveryError("closed"), []

    def deliver(self, alert):
        if self.fails:
            self.fails -= 1
            raise self.error
        self.heard.append(alert.headline)


def again(occasion, at=T0, **changes):
    return replace(PRICE, occasion=occasion, at=at.isoformat(), **changes)


def kept(outbox):
    """As another process would read it."""
    return Outbox(outbox.as_json(), SETTINGS)


def deliver(outbox, now, webhook, email=None):
    return outbox.deliver({"webhook": webhook, "email": email or Listener()}, now, lambda: None)


def test_an_alert_is_told_once_however_often_its_run_is_looked_at_and_by_whichever_process():
    outbox, webhook, email = Outbox(None, SETTINGS), Listener(), Listener()
    for minute in range(3):
        outbox = kept(outbox)
        outbox.take(PRICE, T0 + minute * HOUR / 60)
        deliver(outbox, T0 + minute * HOUR / 60, webhook, email)
    assert webhook.heard == email.heard == ["🔴 price_floor is red"]


def test_a_repetition_within_the_window_is_counted_and_told_when_the_window_is_over():
    outbox, webhook = Outbox(None, SETTINGS), Listener()
    outbox.take(PRICE, T0)
    outbox.take(again("run-2", T0 + HOUR), T0 + HOUR)
    outbox.take(again("run-3", T0 + 2 * HOUR), T0 + 2 * HOUR)
    outbox.remind(T0 + 11.9 * HOUR)
    deliver(outbox, T0 + 11.9 * HOUR, webhook)
    assert webhook.heard == ["🔴 price_floor is red"]
    outbox.remind(T0 + 12 * HOUR)
    deliver(outbox, T0 + 12 * HOUR, webhook)
    assert webhook.heard[1:] == ["🔴 again: price_floor is red"]
    told = Alert.from_json(outbox.messages[-1]["alert"])
    assert (told.facts[0], told.occasion) == (("Since the last alert", "failed 2 more time(s)"), "run-3")
    outbox.remind(T0 + 48 * HOUR)
    assert deliver(outbox, T0 + 48 * HOUR, webhook) == 0


def test_what_gets_graver_is_no_repetition_and_what_gets_milder_is():
    outbox, webhook = Outbox(None, SETTINGS), Listener()
    for number, severity in enumerate((ERROR, WARNING, CRITICAL, ERROR)):
        outbox.take(again(f"run-{number}", T0 + number * HOUR, severity=severity), T0 + number * HOUR)
    deliver(outbox, T0 + 4 * HOUR, webhook)
    assert webhook.heard == ["🟠 price_floor is red", "🔴 price_floor is red"]


def test_the_end_is_told_once_and_what_fails_after_it_is_a_new_alert():
    outbox, webhook = Outbox(None, SETTINGS), Listener()
    outbox.take(PRICE, T0)
    for occasion in ("run-2", "run-3"):
        end = (T0 + HOUR).isoformat()
        outbox.resolve(PRICE.subject, "2026-02-23", end, occasion, "price_floor passes again.", T0 + HOUR)
    outbox.take(again("run-4", T0 + 2 * HOUR), T0 + 2 * HOUR)
    deliver(outbox, T0 + 2 * HOUR, webhook)
    assert webhook.heard == ["🔴 price_floor is red", "🟢 resolved: price_floor is red", "🔴 price_floor is red"]


@pytest.mark.parametrize(
    ("scope", "hours"),
    [pytest.param("2026-02-16", 1, id="an older week"), pytest.param("2026-02-23", -1, id="earlier")],
)
def test_what_passes_elsewhere_resolves_nothing(scope, hours):
    outbox = Outbox(None, SETTINGS)
    outbox.take(PRICE, T0)
    outbox.resolve(PRICE.subject, scope, (T0 + hours * HOUR).isoformat(), "run-2", "passes", T0 + HOUR)
    assert outbox.is_open(PRICE.subject)


def test_a_channel_that_is_down_gets_it_later_and_the_other_gets_it_now():
    outbox, webhook, email = Outbox(None, SETTINGS), Listener(fails=3), Listener()
    outbox.take(PRICE, T0)
    waits = []
    now = T0
    for _ in range(4):
        deliver(outbox, now, webhook, email)
        outbox = kept(outbox)
        delivery = outbox.messages[0]["deliveries"]["webhook"]
        if delivery["state"] == "waiting":
            assert delivery["error"] == "closed"
            due = dt.datetime.fromisoformat(delivery["next_at"])
            waits.append((due - now).total_seconds())
            assert deliver(outbox, due - HOUR / 3600, webhook, email) == 0, "not before its time"
            now = due
    assert waits == [60.0, 120.0, 240.0]
    assert webhook.heard == email.heard == ["🔴 price_floor is red"]
    assert outbox.waiting == []


def test_the_wait_grows_to_its_limit_and_nothing_undelivered_is_ever_dropped():
    outbox, webhook, now = Outbox(None, SETTINGS), Listener(fails=1000), T0
    outbox.take(again("run-1", severity="error"), T0)
    for _ in range(40):
        deliver(outbox, now, webhook)
        now = dt.datetime.fromisoformat(outbox.messages[0]["deliveries"]["webhook"]["next_at"])
    assert now - T0 > 6 * HOUR
    deliver(outbox, now, webhook)
    assert dt.datetime.fromisoformat(outbox.messages[0]["deliveries"]["webhook"]["next_at"]) - now == HOUR / 6
    outbox.forget(T0 + dt.timedelta(days=400))
    assert len(outbox.waiting) == 1
    webhook.fails = 0
    deliver(outbox, T0 + dt.timedelta(days=400), webhook)
    outbox.forget(T0 + dt.timedelta(days=401))
    assert outbox.messages == []


def test_every_attempt_is_kept_before_the_next_so_that_a_crash_repeats_nothing():
    outbox, webhook, email, saved = Outbox(None, SETTINGS), Listener(), Listener(), []
    outbox.take(PRICE, T0)

    class Killed(BaseException):
        pass

    def keep():
        saved.append(copy.deepcopy(outbox.as_json()))

    email.fails, email.error = 1, Killed()
    with pytest.raises(Killed):
        outbox.deliver({"webhook": webhook, "email": email}, T0, keep)
    outbox = Outbox(saved[-1], SETTINGS)
    deliver(outbox, T0, webhook, email)
    assert webhook.heard == email.heard == ["🔴 price_floor is red"]


def test_a_defect_of_one_channel_neither_silences_the_other_nor_tells_its_secret():
    outbox, email = Outbox(None, SETTINGS), Listener()
    outbox.take(PRICE, T0)
    deliver(outbox, T0, Listener(fails=1, error=TypeError("https://hooks.example/very-secret")), email)
    assert email.heard == ["🔴 price_floor is red"]
    assert outbox.messages[0]["deliveries"]["webhook"]["error"] == "unexpected TypeError"


def test_a_severity_without_a_channel_is_kept_and_told_to_nobody():
    outbox, webhook = Outbox(None, SETTINGS), Listener()
    outbox.take(again("run-1", severity=WARNING), T0)
    assert deliver(outbox, T0, webhook) == 0
    assert [m["deliveries"] for m in outbox.messages] == [{}]


def test_slack_gets_blocks_within_its_limits_and_no_value_can_become_a_link():
    long = replace(PRICE, title="t" * 400, found="<!channel> & " + "f" * 5000, examples="<" * 5000,
                   facts=tuple((f"label {i}", "v" * 3000) for i in range(12)))  # fmt: skip
    blocks = slack_message(long)["blocks"]
    assert [b["type"] for b in blocks] == ["header", "section", "section", "section", "section", "context"]
    assert len(blocks[0]["text"]["text"]) <= 150
    assert blocks[1]["text"]["text"].startswith("&lt;!channel&gt; &amp; ")
    assert [len(b["fields"]) for b in blocks[2:4]] == [10, 2]
    assert all(len(b["text"]["text"]) <= 3000 for b in (blocks[1], blocks[4]))
    assert max(len(f["text"]) for b in blocks[2:4] for f in b["fields"]) == 2000
    assert f"<{PRICE.link}|" in blocks[5]["elements"][0]["text"]


def test_an_email_says_the_same():
    text = plain_text(replace(PRICE, examples="user a1"))
    for part in ("🔴 price_floor is red", "4 offend", "Check: price_floor", "Week:  2026-02-23", "user a1", PRICE.link):
        assert part in text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"routes": {"critical": ()}}, "give channels for critical, error, warning"),
        ({"routes": {**ROUTES, "error": ("pager",)}}, "names pager; channels are webhook, email"),
        ({"email_to": ()}, "email_to must be given"),
        ({"smtp_security": "none", "smtp_user": "bot"}, "in the clear"),
        ({"webhook_url_variable": "https://hooks.example/secret"}, "the name of an environment variable"),
        ({"base_url": "dagster.example"}, "must start with http"),
        ({"kept_days": 1, "repeat_hours": 48.0}, "alerts would repeat"),
    ],
)
def test_settings_that_would_lose_or_betray_an_alert_are_refused(change, says):
    with pytest.raises(ConfigError, match=says):
        replace(SETTINGS, **change)
