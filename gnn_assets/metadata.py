"""Facts as Dagster shows them: tables as Markdown, charts as images in the page."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

import dagster as dg
import pandas as pd

from gnn_core.contracts import PERSONAL
from gnn_core.io.artifacts import Artifact


def rows(frame: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """A small frame as a Markdown table; what leads to a person by the first 12 hex digits of its SHA-256.

    Dagster keeps what it shows for good, and its page has no sign-in of its own.
    """
    if frame.empty:
        return dg.MetadataValue.md("no rows")
    frame = frame.assign(**{name: frame[name].map(_pseudonym) for name in PERSONAL if name in frame.columns})
    head = "| " + " | ".join(map(str, frame.columns)) + " |\n|" + " --- |" * len(frame.columns) + "\n"
    body = "\n".join("| " + " | ".join(_cell(v) for v in row) + " |" for row in frame.itertuples(index=False))
    return dg.MetadataValue.md(head + body)


def counts(values: Mapping[str, float], key: str, value: str) -> dg.MarkdownMetadataValue:
    """A mapping as a two-column Markdown table, largest first."""
    ordered = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    return rows(pd.DataFrame(ordered, columns=[key, value]))


def image(png: bytes, alt: str) -> dg.MarkdownMetadataValue:
    """A PNG inside the page, no file needed."""
    return dg.MetadataValue.md(f"![{alt}](data:image/png;base64,{base64.b64encode(png).decode()})")


def artifact(written: Artifact) -> dict[str, dg.MetadataValue]:
    """Where an artifact lies and what it was made from."""
    return {
        "path": dg.MetadataValue.path(written.path),
        "version": dg.MetadataValue.text(written.version[:16]),
        "made_from": rows(pd.DataFrame(written.manifest.lineage.items(), columns=["artifact", "version"])),
        "git_commit": dg.MetadataValue.text(written.manifest.git_commit[:13]),
    }


def _pseudonym(value: object) -> object:
    return hashlib.sha256(value.encode()).hexdigest()[:12] if isinstance(value, str) else value


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace("|", "\\|").replace("\n", " ")
