"""Artifacts of a week: immutable, content-addressed, with their provenance beside them.

What belongs here: how bytes are stored, found again, verified, and refused. What does not: what the bytes mean.

Layout under the root (any fsspec address, `file://` and `gs://` are tested):
    WEEK/NAME/VERSION/FILE...         the files
    WEEK/NAME/VERSION/manifest.json   hashes of files, inputs and settings; written after the files
    WEEK/NAME/current.json            which version is current; written last, in one atomic put
A reader goes current → manifest → files and checks every hash, so a crash in between leaves the old version current.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from gnn_core.config import Settings
from gnn_core.errors import ArtifactError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Manifest:
    """What stands beside an artifact's files."""

    name: str
    week: str
    version: str
    """SHA-256 over files, inputs and settings: equal content made of equal things has an equal version."""
    files: Mapping[str, str]
    """File name → SHA-256."""
    lineage: Mapping[str, str]
    """`week/name` of every artifact it was made from, however indirectly → version."""
    sections: tuple[str, ...]
    settings_hash: str
    """Fingerprint of the named settings sections."""
    git_commit: str
    """Where the code stood; not part of the version."""
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Artifact:
    """A verified manifest and the way to its files."""

    manifest: Manifest
    _store: ArtifactStore = field(repr=False, compare=False)

    @property
    def version(self) -> str:
        """SHA-256 of content and provenance."""
        return self.manifest.version

    @property
    def key(self) -> str:
        """`week/name`."""
        return f"{self.manifest.week}/{self.manifest.name}"

    @property
    def path(self) -> str:
        """Address of the folder with its files."""
        return self._store.address(self.manifest.week, self.manifest.name, self.version)

    def bytes(self, file: str) -> bytes:
        """Content of one file, its hash checked."""
        if file not in self.manifest.files:
            raise ArtifactError(f"artifact {self.key} has no file {file}; it has {sorted(self.manifest.files)}")
        content = self._store.get(self.manifest.week, self.manifest.name, self.version, file)
        found, want = hashlib.sha256(content).hexdigest(), self.manifest.files[file]
        if found != want:
            raise ArtifactError(
                f"artifact {self.key}, file {file}: its SHA-256 is {found[:12]}…, the manifest says {want[:12]}…. "
                "The file was changed or damaged; materialise the artifact again."
            )
        return content

    def table(self, file: str) -> pa.Table:
        """A Parquet file as an Arrow table."""
        return pq.read_table(io.BytesIO(self.bytes(file)))

    def json(self, file: str) -> Any:
        """A JSON file as Python values."""
        return json.loads(self.bytes(file))


class ArtifactStore:
    """Writes and reads artifacts under one root; refuses what does not match its provenance.

    Args:
        root: folder path or fsspec address (`gs://bucket/prefix`).
        settings: the run's settings; a reader refuses artifacts made with other ones.
        git_commit: recorded, not compared.
        storage_options: passed to fsspec (an emulator's endpoint, say).
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        settings: Settings,
        *,
        git_commit: str = "unknown",
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.root = os.fspath(root).rstrip("/")
        self._settings = settings
        self._git_commit = git_commit
        self._fs, self._base = fsspec.core.url_to_fs(self.root, **(storage_options or {}))

    def write(
        self,
        week: str,
        name: str,
        files: Mapping[str, bytes],
        *,
        inputs: Iterable[Artifact] = (),
        sections: Iterable[str] = (),
        meta: Mapping[str, Any] | None = None,
    ) -> Artifact:
        """Store files as the current version of `week/name`.

        Args:
            inputs: artifacts it was made from; their lineage becomes part of this one's.
            sections: settings sections that shaped it.
            meta: JSON-able facts for readers; not part of the version.
        Raises:
            ArtifactError: a name that could leave the folder, or inputs that were made from different versions
                of the same artifact.
        """
        for part in (week, name, *files):
            if not _NAME.fullmatch(part):
                raise ArtifactError(f"{part!r} is no artifact name: letters, digits, '.', '_' and '-' only")
        inputs, sections = tuple(inputs), tuple(sorted(sections))
        lineage = _merge_lineage(inputs)
        hashes = {file: hashlib.sha256(content).hexdigest() for file, content in sorted(files.items())}
        settings_hash = self._settings.fingerprint(*sections) if sections else ""
        version = _digest({"files": hashes, "lineage": lineage, "settings": settings_hash})
        manifest = Manifest(
            name, week, version, hashes, lineage, sections, settings_hash, self._git_commit, dict(meta or {})
        )
        for file, content in files.items():
            self._put(self._path(week, name, version, file), content)
        self._put(self._path(week, name, version, "manifest.json"), _to_json(asdict(manifest)))
        self._put(self._path(week, name, "current.json"), _to_json({"version": version}))
        return Artifact(manifest, self)

    def read(self, week: str, name: str) -> Artifact:
        """The current version of `week/name`.

        Raises:
            ArtifactError: it does not exist, or was made with other settings than this run's.
        """
        try:
            version = json.loads(self._fs.cat_file(self._path(week, name, "current.json")))["version"]
            raw = json.loads(self._fs.cat_file(self._path(week, name, version, "manifest.json")))
        except FileNotFoundError as error:
            raise ArtifactError(
                f"artifact {week}/{name} does not exist under {self.root}; materialise it first"
            ) from error
        manifest = Manifest(**{**raw, "sections": tuple(raw["sections"])})
        if manifest.sections and self._settings.fingerprint(*manifest.sections) != manifest.settings_hash:
            raise ArtifactError(
                f"artifact {week}/{name} was made with other settings in section(s) {', '.join(manifest.sections)}; "
                "materialise it again with the present ones, or run with the settings it was made with"
            )
        return Artifact(manifest, self)

    def read_all(self, week: str, names: Iterable[str]) -> dict[str, Artifact]:
        """Several artifacts of one week that are consistent with each other.

        Raises:
            ArtifactError: two of them were made from different versions of the same artifact.
        """
        found = {name: self.read(week, name) for name in names}
        _merge_lineage(found.values())
        return found

    def exists(self, week: str, name: str) -> bool:
        """Whether `week/name` has a current version."""
        return bool(self._fs.exists(self._path(week, name, "current.json")))

    def sizes(self) -> dict[str, int]:
        """Bytes of all versions of all weeks by artifact name: nothing is ever removed by the platform."""
        if not self._fs.exists(self._base):
            return {}
        found: dict[str, int] = {}
        for path, info in self._fs.find(self._base, detail=True).items():
            parts = PurePosixPath(path).relative_to(PurePosixPath(self._base)).parts
            if len(parts) > 2:
                found[parts[1]] = found.get(parts[1], 0) + int(info["size"])
        return found

    def weeks(self) -> list[str]:
        """Weeks that hold anything, sorted."""
        if not self._fs.exists(self._base):
            return []
        self._fs.invalidate_cache()
        return sorted(PurePosixPath(p).name for p in self._fs.ls(self._base, detail=False))

    def address(self, *parts: str) -> str:
        """Address of a folder or file, in the form the root was given."""
        return "/".join((self.root, *parts))

    def get(self, *parts: str) -> bytes:
        """Raw bytes at a path under the root."""
        try:
            content: bytes = self._fs.cat_file(self._path(*parts))
        except FileNotFoundError as error:
            raise ArtifactError(f"{self.address(*parts)} is missing; materialise the artifact again") from error
        return content

    def _path(self, *parts: str) -> str:
        return "/".join((self._base.rstrip("/"), *parts))

    def _put(self, path: str, content: bytes) -> None:
        """One atomic put: an object store has it by nature, a file system through a rename."""
        protocols = {self._fs.protocol} if isinstance(self._fs.protocol, str) else set(self._fs.protocol)
        if "file" in protocols:
            self._fs.makedirs(os.path.dirname(path), exist_ok=True)
            temporary = f"{path}.{uuid.uuid4().hex}.tmp"
            self._fs.pipe_file(temporary, content)
            os.replace(temporary, path)
        else:
            self._fs.pipe_file(path, content)


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as Parquet; equal tables give equal bytes."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def json_bytes(value: Any) -> bytes:
    """JSON with sorted keys; NaN and infinity are refused, since no reader agrees on them."""
    return _to_json(value)


def _to_json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1, allow_nan=False, default=str).encode()


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _merge_lineage(artifacts: Iterable[Artifact]) -> dict[str, str]:
    """Union of lineages, the artifacts themselves included; a contradiction is an error that names it."""
    merged: dict[str, str] = {}
    origin: dict[str, str] = {}
    for artifact in artifacts:
        for key, version in {**artifact.manifest.lineage, artifact.key: artifact.version}.items():
            if merged.setdefault(key, version) != version:
                raise ArtifactError(
                    f"{artifact.key} was made from {key} at version {version[:12]}…, but {origin[key]} from "
                    f"{merged[key][:12]}…; materialise the older of the two again"
                )
            origin.setdefault(key, artifact.key)
    return dict(sorted(merged.items()))
