"""Results of cells on disk: one model on one store, share and seed; whole or not there.

What belongs here: what a result holds, its key, atomic files, known durations. What does not: making them (cells.py).

A key covers everything that a result depends on: spec, model, settings, the grid it chose from, data files, code. A
result under another key is never read; it stays on disk, so that a reverted change finds its results again. Of the
peers a key covers the one that it is about: a new opponent, or a better one, leaves the others' results alone.

Shape letters: U judged user-windows, N their positives.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gnn_core.benchmark.spec import Spec
from gnn_core.benchmark.variants import GRAPH, SQL_MODELS, Grid
from gnn_core.config import Settings
from gnn_core.errors import ArtifactError
from gnn_core.scoring.peers import PEERS
from gnn_core.snapshot import Int

ROOT = Path(__file__).resolve().parents[1]
START = "gnn_core.benchmark.cells"
CARRIERS = (
    *("config/__init__.py", "config/checks.py", "config/data.py", "config/loader.py", "config/online.py"),
    "config/peers.py",
    *("io/duckdb.py", "io/duckdb_file.py", "io/warehouse.py"),
    *("benchmark/results.py", "benchmark/variants.py", "scoring/peers/__init__.py"),
)
"""Imported, but they only carry values that have their own place in the key, or rows that arrive or do not."""
REGISTRY = "scoring/peers/__init__.py"
"""Where a function `_NAME` makes the peer of that name, importing its file."""
SQL_OF_NO_RESULT = ("audit/", "experiment/", "publishing/")
"""Folders of sql/ that no result passes through."""
SECTIONS = (
    *("eligibility", "split", "graph", "paths", "history", "model", "training", "baseline", "evaluation"),
    *("hybrid", "scoring"),
)
"""Settings that a result can depend on, beside a peer's own, and the store's profile, which follows from spec, data and
code."""
_PREFIXES = {"conditional_logit": "logit_", "implicit_als": "als_", "implicit_bpr": "bpr_"}
"""What the names of a peer's settings begin with, where it is not the peer's name."""
_UNTRAINED = ("popularity", "smoother", "own_history", "item_knn", "sql_v5.17", "sql_v5.18")
"""Models that read none of the settings of learning; another training budget leaves their results alone."""


@dataclass(frozen=True)
class CellResult:
    """What one model did in one cell: places of positives, and how it came about."""

    cut_U: np.ndarray
    user_U: np.ndarray
    """Ids, text."""
    tier_U: np.ndarray
    n_positives_U: Int
    n_unreachable_U: Int
    """Positives of the user that no candidate list could reach; they are in no rank."""
    user_N: Int
    rank_N: Int
    """Place among the candidates, 1 = best, before the business rules."""
    facts: dict[str, Any]
    """`validation_recall`: what models are chosen by; `chosen`: what was chosen on validation; `windows`: who was
    judged and who could not be; `seconds`, `cpu_seconds`, `peak_mb`, `start_mb`; `device`: what a model
    that trains had; `collapse`."""


def code_digests(root: Path = ROOT, start: str = START) -> dict[str, str]:
    """By model: SHA-256 over the modules that `start` imports, directly or through others of the library, over the SQL,
    and over what makes that model, where it is a peer.
    """
    common = imported(start, root)
    return {base: code_digest(root, start, base=base, common=common) for base in (GRAPH, *SQL_MODELS, *PEERS)}


def code_digest(
    root: Path = ROOT, start: str = START, *, base: str = GRAPH, common: Collection[Path] | None = None
) -> str:
    """`code_digests` of one model; `common` is what `start` imports, where that is known."""
    makers, modules = _makers(base, root)
    files = set(imported(start, root) if common is None else common)
    files |= {path for module in modules for path in imported(module, root)}
    files -= {root / name for name in CARRIERS}
    files |= {p for p in (root / "sql").rglob("*.sql") if not _sql_name(p, root).startswith(SQL_OF_NO_RESULT)}
    sha = hashlib.sha256(makers.encode())
    for path in sorted(files):
        name = path.relative_to(root).as_posix()
        sha.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return sha.hexdigest()


def _makers(base: str, root: Path) -> tuple[str, list[str]]:
    """What the registry does to make a peer and the smoother that answers beside it; the modules that it imports."""
    functions = [
        node
        for node in ast.parse((root / REGISTRY).read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name in (f"_{base}", "_smoother")
    ]
    modules = [name for function in functions for name in _imports(function)]
    return "\n".join(ast.unparse(function) for function in functions), modules


def imported(start: str, root: Path = ROOT) -> set[Path]:
    """Files of the library that a module reads in by its import statements, wherever these stand, itself included; but
    of the registry of peers only those at its top.
    """
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        path = _file_of(waiting.pop(), root)
        if path is None or path in found:
            continue
        found.add(path)
        tree = ast.parse(path.read_text())
        if path == root / REGISTRY:
            tree.body = [node for node in tree.body if not isinstance(node, ast.FunctionDef)]
        waiting += _imports(tree)
    return found


def _imports(tree: ast.AST) -> list[str]:
    """Names of modules, and of what may be modules, that import statements anywhere in a tree name."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def _file_of(module: str, root: Path) -> Path | None:
    """The file of a module or package of the library; None for anything else, names within a module among them."""
    package, *rest = module.split(".")
    if package != root.name:
        return None
    path = root.joinpath(*rest)
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if rest and p.is_file()), None)


def _sql_name(path: Path, root: Path) -> str:
    return path.relative_to(root / "sql").as_posix()


def cell_key(spec: Spec, model: str, base: str, settings: Settings, data: str, code: str, grid: Grid = ({},)) -> str:
    """Digest of everything that a result depends on.

    Args:
        spec, model: the cell; base: the model that a variant varies.
        settings: without the store's profile (which follows from spec, data and code), with the variant's changes.
        data, code: `data_digest`, `code_digest` of `base`.
        grid: what it chooses from on validation.
    """
    left_out = ("paths", "history", "model", "training", "hybrid") if base in _UNTRAINED else ()
    sections = [name for name in SECTIONS if name not in left_out]
    parts = {
        "spec": spec.as_json(),
        "model": model,
        "settings": settings.fingerprint(*sections),
        "own": settings_of_peer(base, settings),
        "grid": grid,
        "data": data,
        "code": code,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]


def settings_of_peer(base: str, settings: Settings) -> dict[str, Any]:
    """A model's own values in section `peers`; none but a peer has any."""
    prefix = _PREFIXES.get(base, f"{base}_")
    return {name: value for name, value in vars(settings.peers).items() if name.startswith(prefix)}


class Results:
    """The folder of results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, spec: Spec, model: str, key: str) -> bool:
        """Whether a whole result is there."""
        return self._path(spec, model, key).is_file()

    def write(self, spec: Spec, model: str, key: str, result: CellResult) -> None:
        """Write atomically: a killed run leaves a whole result or none."""
        path = self._path(spec, model, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {name: value for name, value in vars(result).items() if name != "facts"}
        partial = path.with_suffix(f".{os.getpid()}.partial")
        with partial.open("wb") as file:
            np.savez_compressed(file, facts=np.array(json.dumps(result.facts)), **arrays)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        self._remember(spec, model, result.facts["seconds"])

    def read(self, spec: Spec, model: str, key: str) -> CellResult:
        """Read a result.

        Raises:
            ArtifactError: it is missing or damaged.
        """
        path = self._path(spec, model, key)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                values = {name: arrays[name] for name in arrays.files if name != "facts"}
                return CellResult(**values, facts=json.loads(str(arrays["facts"])))
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise ArtifactError(
                f"benchmark result {path}: missing or damaged ({error}); delete it, run again"
            ) from error

    def seconds(self) -> dict[str, float]:
        """Measured seconds by `duration_name`, whatever the settings were: what a run is planned with."""
        path = self.folder / "seconds.json"
        return json.loads(path.read_text()) if path.is_file() else {}

    def _remember(self, spec: Spec, model: str, seconds: float) -> None:
        known = self.seconds() | {duration_name(spec, model): round(seconds, 1)}
        partial = self.folder / f"seconds.{os.getpid()}.partial"
        partial.write_text(json.dumps(known, indent=1, sort_keys=True))
        partial.replace(self.folder / "seconds.json")

    def _path(self, spec: Spec, model: str, key: str) -> Path:
        return self.folder / spec.cell / f"{model}-seed{spec.seed}-{key}.npz"


def duration_name(spec: Spec, model: str) -> str:
    """Name of a duration: seeds take about the same time."""
    return f"{spec.cell}/{model}"


def estimate(spec: Spec, model: str, base: str, known: Mapping[str, float]) -> float:
    """Expected seconds of a cell: measured before, or a guess from its kind."""
    measured = known.get(duration_name(spec, model))
    return float(measured) if measured is not None else GUESSED_SECONDS[spec.kind].get(base, _OTHER_SECONDS[spec.kind])


GUESSED_SECONDS: dict[str, dict[str, float]] = {
    "cold": {"graph": 150.0, "hetero_gat": 80.0},
    "warm": {"graph": 500.0, "light_gcn": 350.0, "ease": 100.0, "item_knn": 40.0, "gf_cf": 40.0, "implicit_bpr": 40.0},
    "last_item": {"graph": 400.0, "light_gcn": 300.0, "ease": 180.0, "gf_cf": 180.0, "item_knn": 120.0},
    "split": {"graph": 1600.0, "popularity": 20.0, "smoother": 40.0},
}
"""Guesses for two cores, by protocol and model; replaced by measured seconds after the first run."""
_OTHER_SECONDS = {"cold": 4.0, "warm": 6.0, "last_item": 25.0, "split": 300.0}
