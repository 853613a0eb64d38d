"""Where the platform finds its configuration and its state. The only reader of environment variables.

GNN_STATE_DIR  folder of everything that a run writes (default: `.gnn` in the project)
GNN_ENV        `local` (default) or `production`: which overlay lies over configs/gnn_config.yaml
GNN_CONFIG_DIR folder of the configuration (default: `configs` in the project)
Secrets stand in the variables that `alerts` of the configuration names.
GNN_OVERLAY    one more overlay, laid over everything else, such as the choice of `gnn bench search` (default: none)
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from gnn_core.config import Settings, load_settings
from gnn_core.errors import ConfigError
from gnn_core.io.artifacts import ArtifactStore
from gnn_core.io.documents import Documents
from gnn_core.io.emulators import gcs_options
from gnn_core.io.open import open_warehouse
from gnn_core.io.warehouse import Warehouse

PROJECT = Path(__file__).resolve().parents[1]
PROFILE = "store.yaml"
"""The state directory's own overlay: which store it holds. Written by `gnn simulate` and `gnn load`."""


@dataclass(frozen=True)
class Environment:
    """One installation: name, configuration folder, state folder."""

    name: str
    config_dir: Path
    state_dir: Path
    overlay: Path | None = None
    """Laid over everything else; None = nothing is."""

    @classmethod
    def from_variables(cls) -> Environment:
        """Read GNN_ENV, GNN_CONFIG_DIR, GNN_STATE_DIR and GNN_OVERLAY."""
        config_dir = Path(os.environ.get("GNN_CONFIG_DIR") or PROJECT / "configs").resolve()
        name = os.environ.get("GNN_ENV") or "local"
        if not (config_dir / f"{name}.yaml").is_file():
            known = sorted(p.stem for p in config_dir.glob("*.yaml") if p.stem != "gnn_config")
            raise ConfigError(
                f"GNN_ENV is {name!r}, but {config_dir} has overlays for {', '.join(known) or 'none'} only"
            )
        overlay = os.environ.get("GNN_OVERLAY")
        if overlay and not Path(overlay).is_file():
            raise ConfigError(f"GNN_OVERLAY is {overlay!r}, and there is no such file; unset it, or name one")
        state_dir = Path(os.environ.get("GNN_STATE_DIR") or PROJECT / ".gnn").resolve()
        return cls(name, config_dir, state_dir, Path(overlay).resolve() if overlay else None)

    @property
    def profile_path(self) -> Path:
        """File that names the store of this state directory."""
        return self.state_dir / PROFILE

    @property
    def dagster_home(self) -> Path:
        """Folder of Dagster's own state."""
        return self.state_dir / "dagster"

    @property
    def training_dir(self) -> Path:
        """Folder where a training leaves what a killed run resumes from."""
        return self.state_dir / "training"

    def settings(self) -> Settings:
        """Base file, environment overlay, store profile, GNN_OVERLAY; read anew each time, so that an edit is seen."""
        overlays = [self.config_dir / f"{self.name}.yaml"]
        if self.profile_path.is_file():
            overlays.append(self.profile_path)
        if self.overlay is not None:
            overlays.append(self.overlay)
        return load_settings(self.config_dir / "gnn_config.yaml", overlays)

    def warehouse(
        self, settings: Settings, role: str | None = "stager", labels: Mapping[str, str] | None = None
    ) -> Warehouse:
        """The warehouse that the settings name, as `reader`, `stager`, `publisher`, or whoever runs the process (None);
        `labels` are laid over those of its jobs.
        """
        chosen = replace(settings.warehouse, labels={**settings.warehouse.labels, **(labels or {})})
        return open_warehouse(chosen, self.state_dir, role)

    def artifacts(self, settings: Settings) -> ArtifactStore:
        """The artifact store that the settings name."""
        root = self.artifact_root(settings)
        return ArtifactStore(root, settings, git_commit=git_commit(), storage_options=gcs_options(root))

    def artifact_root(self, settings: Settings) -> str:
        """Where artifacts and the documents beside them lie."""
        return settings.artifacts.root or str(self.state_dir / "artifacts")

    def documents(self, settings: Settings) -> Documents:
        """Documents that change, beside the artifacts."""
        root = self.artifact_root(settings)
        return Documents(root, storage_options=gcs_options(root))

    def secret(self, variable: str) -> str | None:
        """Value of an environment variable that the settings name; never logged, never kept."""
        return os.environ.get(variable) or None


@lru_cache(maxsize=1)
def git_commit() -> str:
    """Commit of the code that runs, `+` behind it where files differ; GNN_GIT_COMMIT where there is no git."""
    if stated := os.environ.get("GNN_GIT_COMMIT"):
        return stated
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "not a git checkout"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(PROJECT), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
