"""Every `gnn …` that a page for operators or the README tells to type exists: command, options, number of arguments."""

import math
import re
import shlex

import pytest
import typer

from gnn_assets.cli.main import app
from gnn_assets.environment import PROJECT

PAGES = (PROJECT / "README.md", *sorted((PROJECT / "docs" / "operations").glob("*.md")))
_SPAN, _FENCE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)"), re.compile(r"```\w*\n(.*?)```", re.DOTALL)
_COMMAND = re.compile(r"^(?:[A-Z_]+=\S+ )*gnn (?!…)(.+)$")
_PLACEHOLDER = re.compile(r"<[^>]*>")


def commands(text):
    """Commands of a page: code in a sentence, and lines of a block up to what is said about them."""
    blocks = _FENCE.findall(text)
    lines = [line for block in blocks for line in re.sub(r"\\\n\s*", "", block).splitlines()]
    pieces = [re.split(r"\s{2,}|\s#", line.strip())[0] for line in lines] + _SPAN.findall(_FENCE.sub("", text))
    for piece in pieces:
        for part in re.split(r" (?:\||&&) |; ", _PLACEHOLDER.sub("VALUE", piece)):
            if found := _COMMAND.match(part.strip()):
                yield found[1].replace("[", "").replace("]", "")


def wrong(words):
    """What is wrong with the words behind `gnn`; empty when the command line knows them."""
    rest = [word for word in shlex.split(words) if word != "…"]
    command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        if not rest:
            return "a command is missing"
        names = rest.pop(0).split("|")
        if unknown := [name for name in names if name not in command.commands]:
            return f"no command {unknown}"
        command = command.commands[names[0]]
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = {name: p for p in command.params if p not in arguments for name in (*p.opts, *p.secondary_opts)}
    values = 0
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            values += 1
        elif word not in options:
            return f"no option {word}"
        elif not options[word].is_flag and rest:
            rest.pop(0)
    most = math.inf if any(a.nargs == -1 for a in arguments) else len(arguments)
    return f"{values} arguments, it takes {most}" if values > most else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_tells_to_type_exists(page):
    found = list(commands(page.read_text()))
    assert {words: problem for words in found if (problem := wrong(words))} == {}


def test_the_pages_tell_to_type_something():
    found = {page.name: len(list(commands(page.read_text()))) for page in PAGES}
    assert found["README.md"] > 20
    assert found["handbook.md"] > 15


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("publish --week …", ""),
        ("rollout start|hold|step|rollback|show", ""),
        ("rollout rollback --by NAME --reason WHY", ""),
        ("republish", "no command ['republish']"),
        ("rollout start|stop", "no command ['stop']"),
        ("rollout", "a command is missing"),
        ("run --weak 2026-02-23", "no option --weak"),
        ("run 2026-02-23", "1 arguments, it takes 0"),
    ],
)
def test_a_wrong_command_is_seen(words, problem):
    assert wrong(words) == problem


def test_commands_are_found_in_sentences_and_in_blocks():
    page = "`GNN_ENV=x gnn run && gnn status --json | grep a`, `gnn …`\n```\ngnn doctor [--env x]   is it well?\n```\n"
    assert sorted(commands(page)) == ["doctor --env x", "run", "status --json"]
