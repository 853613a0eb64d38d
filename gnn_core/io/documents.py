"""Small documents that change: one JSON file each, replaced in one atomic put, on any fsspec address.

What belongs here: reading and replacing them. What does not: artifacts of a week, which never change (artifacts.py).
One writer a document: whoever writes has read it before, and nobody else writes it in between.
"""

from __future__ import annotations

import json
import os
import posixpath
import uuid
from collections.abc import Mapping
from typing import Any

import fsspec

from gnn_core.errors import ArtifactError


class Documents:
    """JSON documents under a root such as a folder or `gs://bucket/prefix`."""

    def __init__(self, root: str | os.PathLike[str], *, storage_options: Mapping[str, Any] | None = None) -> None:
        self.root = os.fspath(root).rstrip("/")
        self._fs, self._base = fsspec.core.url_to_fs(self.root, **(storage_options or {}))

    def read(self, name: str) -> dict[str, Any] | None:
        """The document, or None when it was never written.

        Raises:
            ArtifactError: it is no JSON object.
        """
        self._fs.invalidate_cache()
        try:
            content = self._fs.cat_file(self._path(name))
        except FileNotFoundError:
            return None
        try:
            found = json.loads(content)
        except ValueError as error:
            raise ArtifactError(f"{self.root}/{name} is no JSON: {error}. Restore it, or move it away") from error
        if not isinstance(found, dict):
            raise ArtifactError(f"{self.root}/{name} holds a {type(found).__name__}, not an object")
        return found

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Replace the document; a reader sees the old one or the new one."""
        path, raw = self._path(name), json.dumps(content, sort_keys=True, indent=1, allow_nan=False).encode()
        protocols = {self._fs.protocol} if isinstance(self._fs.protocol, str) else set(self._fs.protocol)
        if "file" not in protocols:
            self._fs.pipe_file(path, raw)
            return
        self._fs.makedirs(posixpath.dirname(path), exist_ok=True)
        temporary = f"{path}.{uuid.uuid4().hex}.tmp"
        self._fs.pipe_file(temporary, raw)
        os.replace(temporary, path)

    def _path(self, name: str) -> str:
        return f"{self._base.rstrip('/')}/{name}"
