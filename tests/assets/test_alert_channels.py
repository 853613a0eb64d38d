"""The channels themselves: TLS, logins, and errors that quote neither address nor password."""

import datetime as dt
import ssl

import pytest

from gnn_assets.alerts.channels import DeliveryError, Email, Webhook
from gnn_assets.cli.alerts import test_message as a_test_message
from tests.assets.test_alerts import CHANNELS
from tests.fixtures.installation import Installation
from tests.fixtures.listeners import PATH, mail_server


@pytest.fixture
def store(tmp_path):
    made = Installation.create(tmp_path / "store")
    made.overlay({"alerts": CHANNELS})
    return made


@pytest.fixture
def authority(tmp_path, monkeypatch):
    """A certificate for localhost that this process trusts."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    monkeypatch.setenv("SSL_CERT_FILE", str(public))
    return context


def mail_settings(store, port, **changes):
    login = {"smtp_host": "localhost", "smtp_port": port, "smtp_security": "starttls", "smtp_user": "bot"}
    store.overlay({"alerts": {**CHANNELS, **login, **changes}})
    return store.settings.alerts


def test_mail_goes_over_tls_with_a_login_and_a_wrong_password_is_not_quoted(store, authority):
    alert = a_test_message(store.environment, dt.datetime.now(dt.UTC))
    with mail_server(authority) as server:
        settings = mail_settings(store, server.port)
        Email(settings, lambda _: "open sesame").deliver(alert)
        assert server.logins == [("bot", "open sesame")]
        ((_, message),) = server.received
        assert "Nothing is wrong" in message.get_content()
        with pytest.raises(DeliveryError, match="the mail server answered 535") as refused:
            Email(settings, lambda _: "guess").deliver(alert)
        assert "guess" not in str(refused.value)
        with pytest.raises(DeliveryError, match="GNN_ALERT_SMTP_PASSWORD is empty"):
            Email(settings, lambda _: None).deliver(alert)
        assert len(server.received) == 1


def test_a_mail_server_that_nobody_vouches_for_gets_no_password(store, authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    with mail_server(authority) as server:
        email = Email(mail_settings(store, server.port), lambda _: "open sesame")
        with pytest.raises(DeliveryError, match="SSLCertVerificationError"):
            email.deliver(a_test_message(store.environment, dt.datetime.now(dt.UTC)))
        assert server.logins == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (None, "GNN_ALERT_WEBHOOK_URL holds no http address"),
        ("file:///etc/passwd", "holds no http address"),
        (f"http://127.0.0.1:9{PATH}", r"could not be reached \(URLError\)"),
        (f"http://127.0.0.1:notaport{PATH}", "could not be reached"),
    ],
)
def test_a_webhook_that_cannot_be_reached_is_an_error_without_its_address(store, url, says):
    alert = a_test_message(store.environment, dt.datetime.now(dt.UTC))
    with pytest.raises(DeliveryError, match=says) as refused:
        Webhook(store.settings.alerts, lambda _: url).deliver(alert)
    assert "very-secret" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
