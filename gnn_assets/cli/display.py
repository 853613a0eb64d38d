"""What a person sees while the weekly job runs: a line a finished step, and a bar while a model trains."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gnn_assets import progress


class Display:
    """Lines and bars on a console, for the time of a `with` block."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("  training {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, Any] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Display:
        if self._console.is_terminal:
            self._stack.enter_context(self._bars)
        self._stack.enter_context(progress.reported_to(self._on_training_step))
        for name, level in (("gnn_core", logging.WARNING), ("gnn_core.training.trainer", logging.INFO)):
            self._listen(name, level)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def on_event(self, entry: Any, _cursor: str | None = None) -> None:
        """Show the end of a step; other events are for the UI."""
        event = entry.dagster_event
        if event is None:
            return
        if event.event_type_value == "STEP_SUCCESS":
            seconds = event.step_success_data.duration_ms / 1000
            self._console.print(f"  [green]✓[/green] {event.step_key:52s}{seconds:8.1f} s", highlight=False)
        elif event.event_type_value == "STEP_FAILURE":
            error = event.step_failure_data.error
            cause = (error.cause or error) if error else None
            self._console.print(f"  [red]✗ {event.step_key}[/red]", highlight=False)
            # On one line however long: it is there to be searched for and copied.
            reason = cause.message.strip() if cause else "no reason given"
            self._console.print(f"    {reason}", markup=False, highlight=False, soft_wrap=True)
        elif event.event_type_value == "STEP_SKIPPED":
            self._console.print(f"  [yellow]–[/yellow] {event.step_key:52s} skipped", highlight=False)

    def _on_training_step(self, what: str, done: int, most: int, loss: float) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=most, loss=loss)
        self._bars.update(self._tasks[what], completed=done, loss=loss)

    def _listen(self, name: str, level: int) -> None:
        logger, handler = logging.getLogger(name), _Lines(self._console)
        handler.setLevel(level)
        logger.addHandler(handler)
        self._stack.callback(logger.removeHandler, handler)


class _Lines(logging.Handler):
    """Log records as indented lines; the message is text, never markup."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(f"    {record.getMessage()}", markup=False, highlight=False, soft_wrap=True)
