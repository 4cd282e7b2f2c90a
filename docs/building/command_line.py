"""The page of the command line, read off the commands themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any


def write_page(path: Path) -> None:
    """Write what each command takes, as Markdown without a title, for reference/command_line.md to include."""
    from typer.main import get_command

    from unrolled.cli import app

    commands: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    text = "\n".join([*(_command(name, one) for name, one in commands.items()), _settings(commands["forecast"])])
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _command(name: str, command: Any) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    own = [one for one in command.params if _panel(one) is None]
    typed = " ".join(["unrolled", name, *map(_argument, arguments), "[OPTIONS]"])
    about = re.sub(r"(?<!\S)--[\w-]+", r"`\g<0>`", command.help)
    lines = [f"## unrolled {name}", "", about, "", "```sh", typed, "```", "", *_table("", own)]
    return "\n".join([*lines, *(["Besides these all [settings](#settings).", ""] if own != command.params else [])])


def _settings(command: Any) -> str:
    """Write what several commands take, once."""
    panels = dict.fromkeys(filter(None, map(_panel, command.params)))
    tables = [_table(panel, [one for one in command.params if _panel(one) == panel]) for panel in panels]
    return "\n".join(["## Settings", "", *(line for table in tables for line in table)])


def _panel(option: Any) -> str | None:
    return getattr(option, "rich_help_panel", None)


def _table(title: str, options: list[Any]) -> list[str]:
    return [f"| {title} | | default |", "|---|---|---|", *map(_row, options), ""]


def _argument(option: Any) -> str:
    name = option.name.upper()
    return name if option.required else f"[{name}]"


def _row(option: Any) -> str:
    argument = option.param_type_name == "argument"
    names = option.name.upper() if argument else ", ".join(option.opts)
    words = re.sub(r"([|<>*])", r"\\\1", option.help or "")
    return f"| `{names}` | {words} | {_default(option)} |"


def _default(option: Any) -> str:
    """Return what is taken where the option is not typed, as far as its words don't say it."""
    shown = option.show_default if isinstance(option.show_default, str) else option.default
    told = option.required or shown is None or isinstance(shown, bool | list | tuple)
    return "" if told else f"`{shown}`"
