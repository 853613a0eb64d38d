"""Webhook and e-mail. A failed delivery is an error that names no secret.

What belongs here: one attempt each. What does not: the next attempt (outbox.py), the words (alert.py).
"""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from http.client import HTTPException

from gnn_assets.alerts.alert import Alert, plain_text, slack_message
from gnn_core.config import AlertSettings
from gnn_core.errors import GnnCoreError

Secret = Callable[[str], str | None]
"""Name of an environment variable → its value."""


class DeliveryError(GnnCoreError):
    """A channel did not take an alert; says why, and holds no secret."""


class Webhook:
    """Slack's incoming webhooks, and whatever takes their format."""

    def __init__(self, settings: AlertSettings, secret: Secret) -> None:
        self._settings, self._secret = settings, secret

    def deliver(self, alert: Alert) -> None:
        """POST the alert.

        Raises:
            DeliveryError: no address, no answer in time, or an answer that is no success.
        """
        variable = self._settings.webhook_url_variable
        url = self._secret(variable)
        if not url or not url.startswith(("https://", "http://")):
            raise DeliveryError(f"{variable} holds no http address: set it to the address of the incoming webhook")
        body = json.dumps(slack_message(alert)).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json; charset=utf-8"})
        try:
            with _OPENER.open(request, timeout=self._settings.timeout_seconds) as answer:
                status = answer.status
        except urllib.error.HTTPError as error:
            raise DeliveryError(f"the webhook answered {error.code}") from None
        except (OSError, ValueError, HTTPException) as error:
            # Neither text nor chain: some errors quote the address, which is the secret.
            raise DeliveryError(f"the webhook could not be reached ({type(error).__name__})") from None
        if status not in range(200, 300):
            raise DeliveryError(f"the webhook answered {status}")


class Email:
    """SMTP, with or without a login."""

    def __init__(self, settings: AlertSettings, secret: Secret) -> None:
        self._settings, self._secret = settings, secret

    def deliver(self, alert: Alert) -> None:
        """Hand the alert to the mail server. A recipient that it refuses fails the delivery for all.

        Raises:
            DeliveryError: no server, no password for the user, or the server refuses.
        """
        settings = self._settings
        if not (settings.smtp_host and settings.email_from and settings.email_to):
            raise DeliveryError("alerts.smtp_host, email_from and email_to must be given to send e-mail")
        message = EmailMessage()
        message["Subject"], message["From"] = alert.headline, settings.email_from
        message["To"] = ", ".join(settings.email_to)
        message.set_content(plain_text(alert))
        password = self._secret(settings.smtp_password_variable) if settings.smtp_user else None
        if settings.smtp_user and not password:
            raise DeliveryError(f"{settings.smtp_password_variable} is empty: set it to the mail server's password")
        try:
            with self._connect(settings.smtp_host) as server:
                if settings.smtp_user and password:
                    server.login(settings.smtp_user, password)
                refused = server.send_message(message)
        except smtplib.SMTPResponseException as error:
            raise DeliveryError(f"the mail server answered {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryError(f"the mail server did not take it ({type(error).__name__})") from None
        if refused:
            raise DeliveryError(f"the mail server refused {len(refused)} of {len(settings.email_to)} recipients")

    def _connect(self, host: str) -> smtplib.SMTP:
        port, wait, security = self._settings.smtp_port, self._settings.timeout_seconds, self._settings.smtp_security
        if security == "tls":
            return smtplib.SMTP_SSL(host, port, timeout=wait, context=ssl.create_default_context())
        server = smtplib.SMTP(host, port, timeout=wait)
        if security == "starttls":
            try:
                server.starttls(context=ssl.create_default_context())
            except BaseException:
                server.close()
                raise
        return server


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An alert goes to the address that was named, and nowhere else."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def channels(settings: AlertSettings, secret: Secret) -> Mapping[str, Webhook | Email]:
    """Every channel by its name in `alerts.routes`."""
    return {"webhook": Webhook(settings, secret), "email": Email(settings, secret)}
