"""YAML → Settings, strictly: an unknown key, a missing key or a wrong type is an error that names it."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import functools
import hashlib
import json
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gnn_core.config.data import (
    ArtifactSettings,
    EligibilitySettings,
    SourceSettings,
    SplitSettings,
    StoreSettings,
    WarehouseSettings,
)
from gnn_core.config.decision import (
    BaselineSettings,
    EvaluationSettings,
    Gate1Settings,
    HybridSettings,
    PublishSettings,
    ScoringSettings,
    ServingSettings,
)
from gnn_core.config.discovery import DiscoverySettings
from gnn_core.config.history import HistorySettings
from gnn_core.config.kubernetes import KubernetesSettings
from gnn_core.config.learning import GraphSettings, ModelSettings, TrainingSettings
from gnn_core.config.online import CostSettings, ExperimentSettings, MonitoringSettings, RolloutSettings
from gnn_core.config.operations import AlertSettings, ArrivalSettings
from gnn_core.config.paths import PathSettings
from gnn_core.config.peers import PeerSettings
from gnn_core.config.tables import EmbeddingSettings, LayoutSettings
from gnn_core.errors import ConfigError


@dataclass(frozen=True)
class Settings:
    """Every number, name and threshold of the platform."""

    store: StoreSettings
    warehouse: WarehouseSettings
    layouts: LayoutSettings
    embeddings: EmbeddingSettings
    artifacts: ArtifactSettings
    sources: SourceSettings
    eligibility: EligibilitySettings
    split: SplitSettings
    graph: GraphSettings
    paths: PathSettings
    history: HistorySettings
    model: ModelSettings
    training: TrainingSettings
    baseline: BaselineSettings
    evaluation: EvaluationSettings
    peers: PeerSettings
    gate1: Gate1Settings
    hybrid: HybridSettings
    scoring: ScoringSettings
    publish: PublishSettings
    serving: ServingSettings
    experiment: ExperimentSettings
    rollout: RolloutSettings
    monitoring: MonitoringSettings
    cost: CostSettings
    kubernetes: KubernetesSettings
    alerts: AlertSettings
    arrivals: ArrivalSettings
    discovery: DiscoverySettings

    def fingerprint(self, *sections: str) -> str:
        """SHA-256 of the named sections (all of them when none is named): what an artifact was made with."""
        names = sections or tuple(f.name for f in dataclasses.fields(self))
        values = {name: dataclasses.asdict(getattr(self, name)) for name in names}
        if "store" in values:
            # That a store goes on changes nothing in the weeks that it has.
            del values["store"]["last_week"]
        return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


# Every step reads the files anew, and libyaml is ten times as fast as the parser in Python.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_settings(base: Path, overlays: Iterable[Path | Mapping[str, Any]] = ()) -> Settings:
    """Read the base file, lay each overlay over it key by key, and validate.

    Raises:
        ConfigError: a file is missing or no mapping, or a key is unknown, missing or of a wrong type or value.
    """
    tree = _read(base)
    for overlay in overlays:
        extra, origin = (_read(overlay), str(overlay)) if isinstance(overlay, Path) else (overlay, "overlay")
        _merge(tree, extra, origin)
    return _build(Settings, tree, "")


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(f"config file {path} does not exist")
    try:
        tree = copy.deepcopy(_parsed(path.read_text()))
    except yaml.YAMLError as error:
        raise ConfigError(f"config file {path} is not valid YAML: {error}") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"config file {path} must hold sections, not {type(tree).__name__}")
    return tree


@functools.lru_cache(maxsize=16)
def _parsed(text: str) -> Any:
    """Each step of a week reads the same text again; a change of the file is another text."""
    return yaml.load(text, Loader=_LOADER)


def _merge(tree: dict[str, Any], extra: Mapping[str, Any], origin: str, prefix: str = "") -> None:
    for key, value in extra.items():
        if key not in tree:
            raise ConfigError(f"{origin}: unknown key {prefix}{key}")
        # Only sections merge; a mapping that is a value (weights, shares) is replaced whole, so that none lingers.
        if prefix == "" and isinstance(tree[key], dict) and isinstance(value, Mapping):
            _merge(tree[key], value, origin, f"{key}.")
        else:
            tree[key] = value


def _build(cls: type, tree: Any, prefix: str) -> Any:
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{prefix.rstrip('.') or 'config'} must be a section of keys, not {tree!r}")
    fields = _fields(cls)
    for key in tree:
        if key not in fields:
            raise ConfigError(f"unknown key {prefix}{key}; known here: {', '.join(sorted(fields))}")
    missing = [f"{prefix}{name}" for name in fields if name not in tree]
    if missing:
        raise ConfigError(f"missing key(s): {', '.join(missing)}")
    return cls(**{name: _convert(hint, tree[name], f"{prefix}{name}") for name, hint in fields.items()})


@functools.cache
def _fields(cls: type) -> dict[str, Any]:
    """Name → type, in order; worked out once a class, since it takes longer than all the rest of reading a config."""
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls)}


def _convert(hint: Any, value: Any, key: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type, hint), value, f"{key}.")
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _convert(next(a for a in args if a is not type(None)), value, key)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{key} is {value!r}; it must be a list")
        return tuple(_convert(args[0], v, f"{key}[{i}]") for i, v in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{key} is {value!r}; it must be a mapping")
        return {str(k): _convert(args[1], v, f"{key}.{k}") for k, v in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is dt.date and isinstance(value, str):
        try:
            return dt.date.fromisoformat(value)
        except ValueError as error:
            raise ConfigError(f"{key} is {value!r}; it must be a date such as 2026-03-02") from error
    if type(value) is not hint:
        raise ConfigError(f"{key} is {value!r} ({type(value).__name__}); it must be {hint.__name__}")
    return value
