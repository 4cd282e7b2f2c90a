"""A forecaster's settings as command line options: same names, defaults and words as in Python.

They are read off `Config` and its docstring, so that each is written down once.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from unrolled.errors import ConfigError, UnrolledError
from unrolled.forecast.config import CHOICES, LISTS, Config

HORIZON = "h"
FILE = "settings"
_TYPES: dict[str, Any] = {
    "h": int,
    "hidden_size": list[int],
    "quantiles": list[float],
    "freq": str | None,
    "cell": str,
    "target_col": list[str],
    **dict.fromkeys(LISTS, list[str]),
    **{name: Literal[options] for name, options in CHOICES.items()},
}


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Make `function` a command: errors become one readable block on stderr and exit code 2.

    A parameter `config: Config` stands for all the settings' options. `--debug` shows the traceback.
    """
    own = list(inspect.signature(function, eval_str=True).parameters.values())
    takes_settings = any(parameter.name == "config" for parameter in own)
    options = _settings_options() if takes_settings else []
    names = {option.name for option in options}

    @functools.wraps(function)
    def run(debug: bool, **given: Any) -> None:
        try:
            settings = {name: given.pop(name) for name in names}
            function(**given, **({"config": _config(settings)} if takes_settings else {}))
        except (UnrolledError, OSError) as error:
            if debug:
                raise
            print(f"Error: {error}", file=sys.stderr)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:  # outside a training, which keeps its best weights and goes on
            print("Stopped; nothing was written.", file=sys.stderr)
            raise typer.Exit(130) from None
        except Exception as error:  # not foreseen: still one block, with the way to the traceback
            if debug:
                raise
            print(f"Error: {type(error).__name__}: {error}\nRun it again with --debug to see where.", file=sys.stderr)
            raise typer.Exit(2) from None

    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [p.replace(kind=p.KEYWORD_ONLY) for p in own if p.name != "config"] + options + [_debug_option()]
    )
    return run


def given_of(config: Config) -> dict[str, Any]:
    """Return the settings that are not their defaults."""
    defaults = {field.name: field.default for field in dataclasses.fields(Config)}
    return {name: value for name, value in vars(config).items() if value != defaults[name]}


def _config(given: dict[str, Any]) -> Config:
    """Make the settings from what was typed; what was left out is the file's, or keeps its default."""
    file = given.pop(FILE)
    settings = {name: value for name, value in given.items() if value is not None and value != []}
    for name in ("hidden_size", "target_col"):
        if len(several := settings.get(name, ())) == 1:
            settings[name] = several[0]
    if str(settings.get("freq", "")).isdigit():
        settings["freq"] = int(settings["freq"])
    if str(settings.get("cell", "")).lstrip().startswith(("{", "[")):
        settings["cell"] = _cell(settings["cell"])
    return Config.from_settings(_settings_in(file) | settings if file else settings)


def _cell(text: str) -> Any:
    """Return a cell's options, or a list of cells, which are typed as JSON."""
    try:
        return json.loads(text)
    except ValueError as wrong:
        example = """'{"type": "LSTM", "peephole": true}'"""
        raise ConfigError(f"--cell is a name, or JSON such as {example}; {text!r} is neither: {wrong}.") from None


def _settings_in(path: Path) -> dict[str, Any]:
    """Return the settings in a file that `tune` or `forecast` wrote."""
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))["settings"]
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; give the tuned.json that `unrolled tune` wrote.") from None
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"{path} holds no settings; give the tuned.json that `unrolled tune` wrote.") from None
    return dict(settings)


def _settings_options() -> list[inspect.Parameter]:
    words = described()
    return [*(_option(field, *words[field.name]) for field in dataclasses.fields(Config)), _file_option()]


def _option(field: dataclasses.Field[Any], section: str, words: str) -> inspect.Parameter:
    kind: Any = _TYPES.get(field.name, inspect.get_annotations(Config, eval_str=True)[field.name])
    flags = ["-h", "--horizon"] if field.name == HORIZON else []
    option = typer.Option(*flags, help=words, show_default=_shown_default(field), rich_help_panel=section)
    required = field.default is dataclasses.MISSING
    default = inspect.Parameter.empty if required else None
    annotation = Annotated[kind, option] if required else Annotated[kind | None, option]
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _file_option() -> inspect.Parameter:
    words = "File of settings, such as tuned.json; options that are typed count more."
    annotation = Annotated[Path | None, typer.Option("--settings", help=words, rich_help_panel="Data")]
    return inspect.Parameter(FILE, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _shown_default(field: dataclasses.Field[Any]) -> str | bool:
    if field.default in (None, dataclasses.MISSING):
        return False
    return " ".join(map(str, field.default)) if isinstance(field.default, tuple) else str(field.default)


def described() -> dict[str, tuple[str, str]]:
    """Return the section and the words that the docstring of `Config` has for each setting."""
    found: dict[str, tuple[str, str]] = {}
    # Python 3.13 takes the indentation out of docstrings, older ones don't; getdoc always does.
    for section, body in re.findall(r"^(\w+):\n((?: {4}.+\n?)+)", inspect.getdoc(Config) or "", flags=re.MULTILINE):
        for name, text in re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", body, flags=re.MULTILINE):
            words = " ".join(text.split())
            found[name] = (section, words[0].upper() + words[1:])
    return {field.name: found[field.name] for field in dataclasses.fields(Config)}


def _debug_option() -> inspect.Parameter:
    option = typer.Option("--debug", help="Show the traceback of an error.")
    return inspect.Parameter("debug", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, option])
