"""What a process must not load before it needs it: a step's pod, the code server and every command pay for it first."""

import os
import subprocess
import sys
from pathlib import Path

HEAVY = ("torch", "torch_geometric", "scipy.stats", "matplotlib", "kubernetes", "google.cloud.bigquery")
"""Torch and PyG take seconds, and most steps touch no tensor; the others take most of a second each."""
SCRIPT = f"""
import sys, traceback

class Told:
    def find_spec(self, name, path=None, target=None):
        if name in {HEAVY}:
            print(name, "is imported by", file=sys.stderr)
            traceback.print_stack()

sys.meta_path.insert(0, Told())
import gnn_assets.cli.main, gnn_assets.definitions
print([name for name in {HEAVY} if name in sys.modules])
"""


def test_the_definitions_and_the_command_load_nothing_that_only_some_steps_need(tmp_path: Path) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GNN_")}
    variables = plain | {"GNN_STATE_DIR": str(tmp_path / "state"), "DAGSTER_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=variables, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
