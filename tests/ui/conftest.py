"""A browser, and Dagster's pages of a tiny store on which nothing has run yet."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fixtures.installation import QUICK, Installation
from tests.fixtures.listeners import WebhookServer, webhook_server
from tests.ui.servers import dagster

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 120_000
JOB = "/locations/gnn_assets.definitions/jobs/weekly"


@dataclass(frozen=True)
class Ui:
    """The pages of one installation, in a browser."""

    store: Installation
    address: str
    page: object
    screenshots: Path
    webhook: WebhookServer
    """Where alerts arrive."""

    def open(self, path: str) -> None:
        """Go to a page of Dagster."""
        self.page.goto(self.address + path)

    def told(self, text: str) -> dict[str, object]:
        """The alert with that headline, waited for."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while time.monotonic() < deadline:
            found = [message for message in self.webhook.received if message["text"] == text]
            if found:
                return found[-1]
            time.sleep(0.5)
        raise AssertionError(f"{text!r} was not told; there are {self.webhook.texts}")

    def keep(self, name: str) -> None:
        """Save what is seen."""
        self.page.screenshot(path=self.screenshots / f"{name}.png")

    def launch_newest(self) -> None:
        """In the page of a job or an asset: materialise the newest partition."""
        self.page.get_by_role("button", name="Materialize").first.click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_role("button", name="Latest", exact=True).click()
        dialog.get_by_text("1 partition", exact=True).wait_for()
        dialog.get_by_role("button", name="Launch 1 run").click()
        dialog.wait_for(state="hidden")


def _missing() -> str | None:
    try:
        import playwright  # noqa: F401
    except ImportError:
        return "playwright is not installed (make setup)"
    return None if Path(CHROMIUM).exists() else f"{CHROMIUM} is missing (apt-get install chromium)"


@contextmanager
def knowing(webhook: WebhookServer) -> Iterator[None]:
    """Processes that start in the block know the webhook's address, as they would in production."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GNN_ALERT_WEBHOOK_URL", webhook.url)
        yield


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: GNN_SCREENSHOTS, or a temporary folder."""
    stated = os.environ.get("GNN_SCREENSHOTS")
    folder = Path(stated) if stated else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def ui(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, screenshots: Path) -> Iterator[Ui]:
    """Dagster on a tiny store; skips with a reason without a browser, and fails instead where CI=true."""
    reason = _missing()
    if reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}; CI must run these tests")
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    folder = tmp_path_factory.mktemp("ui")
    store = request.getfixturevalue("simulated_store").copy(folder / "store")
    with (
        webhook_server() as webhook,
        knowing(webhook),
        dagster(store, folder / "logs") as address,
        sync_playwright() as playwright,
    ):
        # The port is known only now, and the sensor reads the settings at each look.
        routes = {severity: ["webhook"] for severity in ("critical", "error", "warning")}
        store.overlay({**QUICK, "alerts": {"base_url": address, "routes": routes}})
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            page = browser.new_page(viewport={"width": 1600, "height": 1000})
            page.set_default_timeout(PATIENCE_MS)
            yield Ui(store, address, page, screenshots, webhook)
        finally:
            browser.close()
