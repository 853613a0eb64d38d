"""How every command speaks: where it prints, how it tells an error that the library raised on purpose, JSON files."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from gnn_core.errors import GnnCoreError

console = Console()
errors = Console(stderr=True)


def told_plainly(command: Callable[..., Any]) -> Callable[..., Any]:
    """An error that the library raises on purpose is a message and exit code 1, not a traceback."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except GnnCoreError as error:
            errors.print(f"[red]{type(error).__name__}[/red]: {error}", highlight=False, markup=True, soft_wrap=True)
            raise typer.Exit(1) from error

    return wrapper


def write_json(content: Any, file: Path | None, console: Console) -> None:
    """Write what `--json FILE` asks for and say where; nothing where it was left out."""
    if file is not None:
        file.write_text(json.dumps(content, indent=1, allow_nan=False))
        console.print(f"JSON: {file}", soft_wrap=True)
