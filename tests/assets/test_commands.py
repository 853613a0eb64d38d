"""The `gnn` command as a whole: quick to say what there is, and plain about what is wrong."""

import subprocess
import sys

from typer.main import get_command

from gnn_assets.cli.main import app
from tests.fixtures.installation import Installation

HEAVY = ("dagster", "torch", "pandas", "duckdb", "google.cloud")


def test_the_list_of_commands_is_shown_without_loading_what_they_need():
    script = (
        "import sys; from typer.testing import CliRunner; from gnn_assets.cli.main import app; "
        "assert 'rollout' in CliRunner().invoke(app, ['--help']).output; "
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_help_lists_the_commands_in_the_order_in_which_a_newcomer_meets_them():
    assert list(get_command(app).commands) == [
        *("simulate", "load", "run", "demo", "status", "publish", "impact", "rollback", "init", "doctor", "ui"),
        *("experiment", "rollout", "bench", "alerts"),
    ]


def test_an_error_of_the_configuration_is_told_in_a_line(tmp_path):
    made = Installation.create(tmp_path / "store", {"alerts": {"routs": {}}})
    for command in (["alerts", "show"], ["status"], ["rollout", "show"]):
        said = made.gnn(*command, code=1)
        assert said.startswith("ConfigError: "), command
        assert "unknown key alerts.routs" in said, command
