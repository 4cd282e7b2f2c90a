"""What is wrong with settings: each check notes its problems, so that one error names them all."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from unrolled.errors import Problems, did_you_mean
from unrolled.forecast.config import CELLS, CHOICES, COUNTS, LISTS, Config, cells_of, is_stack

CALENDAR = ("minute", "hour", "dayofweek", "day", "dayofyear", "week", "month", "quarter")
MOST_SEEDS = 1 << 63
"""PyTorch's generators take no more, with room for those of an ensemble."""


def check(config: Config, problems: Problems) -> None:
    """Note everything that is wrong with the settings."""
    for one in (_check_choices, _check_cell, _check_counts, _check_rates, _check_widths, _check_quantiles):
        one(config, problems)
    for one in (_check_names, _check_covariates, _check_together):
        one(config, problems)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_choices(config: Config, problems: Problems) -> None:
    for name, options in CHOICES.items():
        value = getattr(config, name)
        if value not in options:
            hint = did_you_mean(str(value), options)
            problems.add(f"{name} is one of {', '.join(map(repr, options))}; got {value!r}.{hint}")


def _check_counts(config: Config, problems: Problems) -> None:
    least = {"h": 1, "num_layers": 1, "batch_size": 1, "patience": 1, "ensemble": 1, "seed": 0}
    optional = {"input_size": 1, "season": 1, "segment": 1, "max_steps": 1, "val_every": 1, "val_size": 0}
    for name, low in (least | optional).items():
        value = getattr(config, name)
        right = (value is None and name in optional) or (_is_int(value) and value >= low)
        problems.check(right, f"{name} is a whole number of at least {low}; got {value!r}.")
    if _is_int(config.seed):
        problems.check(config.seed < MOST_SEEDS, f"seed is below 2**63; got {config.seed}.")
    if _is_int(config.val_size) and _is_int(config.h) and config.val_size is not None:
        fits = config.val_size == 0 or config.val_size >= config.h
        problems.check(fits, f"val_size holds at least one horizon (h={config.h}) or is 0; got {config.val_size}.")


def _check_rates(config: Config, problems: Problems) -> None:
    rate, clip, decay = config.learning_rate, config.gradient_clip, config.weight_decay
    right = rate is None or (_is_number(rate) and 0 < rate < float("inf"))
    problems.check(right, f"learning_rate is above 0; got {rate!r}.")
    right = clip is None or (_is_number(clip) and clip > 0)
    problems.check(right, f"gradient_clip is above 0, or None for no limit; got {clip!r}.")
    right = _is_number(decay) and 0 <= decay < float("inf")
    problems.check(right, f"weight_decay is at least 0; got {decay!r}.")
    for name in ("dropout", "average"):
        share = getattr(config, name)
        right = share is None or (_is_number(share) and 0 <= share < 1)
        problems.check(right, f"{name} is a share from 0 up to, not including, 1; got {share!r}.")


def _check_widths(config: Config, problems: Problems) -> None:
    widths = config.hidden_size
    if widths is None:
        return
    if isinstance(widths, tuple):
        right = len(widths) > 0 and all(_is_int(width) and width >= 1 for width in widths)
        problems.check(right, f"hidden_size lists one width of at least 1 per layer; got {list(widths)!r}.")
        agrees = config.num_layers in (1, len(widths))
        problems.check(
            agrees,
            f"hidden_size lists {len(widths)} layers but num_layers={config.num_layers!r}; leave num_layers out.",
        )
    else:
        right = _is_int(widths) and widths >= 1
        problems.check(right, f"hidden_size is a whole number of at least 1, or a list; got {widths!r}.")


def _check_quantiles(config: Config, problems: Problems) -> None:
    values = config.quantiles
    if not isinstance(values, tuple) or not all(_is_number(q) and 0 < q < 1 for q in values):
        problems.add(f"quantiles lie between 0 and 1, such as [0.1, 0.5, 0.9]; got {values!r}.")
        return
    problems.check(0.5 in values, f"quantiles must hold 0.5, the forecast itself; got {list(values)}.")
    problems.check(
        config.loss == "quantile" or values == Config.quantiles,
        f"quantiles are what loss='quantile' learns; got loss={config.loss!r}. Set that loss, or leave them out and "
        "ask for any in predict(quantiles=...).",
    )
    rising = all(a < b for a, b in pairwise(values))
    problems.check(rising, f"quantiles rise, none twice; got {list(values)}.")


def _check_cell(config: Config, problems: Problems) -> None:
    cells = cells_of(config.cell)
    known = [_check_type(one, problems) for one in cells]
    problems.check(len(cells) > 0, "cell lists one cell per layer; got an empty list.")
    if not all(known) or not cells:
        return
    _check_layers(config, problems)
    if any(isinstance(one, Mapping) for one in (config.cell, *cells)):
        from unrolled.forecast.networks.cell_checks import cell_problems  # here: it waits for PyTorch

        for problem in cell_problems(config):
            problems.add(problem)


def _check_type(one: object, problems: Problems) -> bool:
    kind = one.get("type") if isinstance(one, Mapping) else one
    return problems.check(
        isinstance(kind, str) and kind in CELLS,
        f"cell is one of {', '.join(map(repr, CELLS))}, or a dict such as {{'type': 'LSTM', 'peephole': True}}, "
        f"or a list of those, one per layer; got {one!r}.{did_you_mean(str(kind), CELLS)}",
    )


def _check_layers(config: Config, problems: Problems) -> None:
    """Note lists of cells and of widths that are not equally long."""
    if not is_stack(config.cell):
        return
    layers, widths = len(cells_of(config.cell)), config.hidden_size
    problems.check(
        config.num_layers in (1, layers),
        f"cell lists {layers} layers but num_layers={config.num_layers!r}; leave num_layers out.",
    )
    problems.check(
        not isinstance(widths, tuple) or len(widths) == layers,
        f"cell lists {layers} layers but hidden_size={list(widths) if isinstance(widths, tuple) else widths!r}.",
    )


def _check_names(config: Config, problems: Problems) -> None:
    for name in ("id_col", "time_col", "holidays"):
        value = getattr(config, name)
        what = "a country's code, such as 'DE'" if name == "holidays" else "a column's name"
        problems.check(value is None or isinstance(value, str), f"{name} is {what}; got {value!r}.")
    right = all(isinstance(name, str) for name in config.targets) and config.target_col != ()
    problems.check(right, f"target_col is a column's name or a list of them; got {config.target_col!r}.")
    problems.check(
        config.verbose is None or isinstance(config.verbose, bool),
        f"verbose is True, False or None; got {config.verbose!r}.",
    )
    _check_device(config.device, problems)


def _check_covariates(config: Config, problems: Problems) -> None:
    for name in LISTS:
        value = getattr(config, name)
        right = isinstance(value, tuple) and all(isinstance(one, str) for one in value)
        if not problems.check(right, f"{name} is a list of names; got {value!r}."):
            return
    for one in config.calendar:
        problems.check(
            one in (*CALENDAR, "auto"),
            f"calendar lists {', '.join(map(repr, CALENDAR))}, or is 'auto'; got {one!r}.{did_you_mean(one, CALENDAR)}",
        )
    listed = (*config.static_covariates, *config.past_covariates, *config.future_covariates, *config.targets)
    for one in dict.fromkeys(name for name in listed if listed.count(name) > 1):
        problems.add(f"{one!r} is listed twice; a column is one of target, static, past or future covariate.")


def _check_together(config: Config, problems: Problems) -> None:
    """Note settings that are right each and wrong together."""
    if config.loss in COUNTS:
        right = config.scaling in ("auto", "none", "mean") and config.transform == "none"
        problems.check(
            right,
            f"loss={config.loss!r} is of values from 0 up, from which nothing is subtracted: scaling is 'mean' or "
            f"'none' and transform 'none'; got scaling={config.scaling!r}, transform={config.transform!r}.",
        )
    of_networks = {"pooling": ("attention", ("steps", "seq2seq")), "decoder": ("recursive", ("steps",))}
    for name, (value, networks) in of_networks.items():
        problems.check(
            getattr(config, name) != value or config.network not in {*CHOICES["network"]} - {"auto", *networks},
            f"{name}={value!r} is of network={' or '.join(map(repr, networks))}; got network={config.network!r}.",
        )
    if config.segment is not None:
        _check_segment(config, problems)
    if config.network == "deepar":
        losses = ("normal", "student_t", *COUNTS)
        problems.check(
            config.loss in ("auto", *losses),
            f"network='deepar' learns a distribution: loss is one of "
            f"{', '.join(map(repr, losses))}; got {config.loss!r}.",
        )


def _check_segment(config: Config, problems: Problems) -> None:
    problems.check(
        config.network not in {*CHOICES["network"]} - {"auto", "segments"},
        f"segment={config.segment!r} is of network='segments'; got network={config.network!r}. Leave one of them out.",
    )
    if config.segment is not None and config.input_size is not None and _is_int(config.segment):
        problems.check(
            not _is_int(config.input_size) or config.segment <= config.input_size,
            f"segment={config.segment} is longer than the window that it is a part of, input_size={config.input_size}.",
        )


def _check_device(device: object, problems: Problems) -> None:
    import torch  # here, so that settings can be listed without waiting for it

    try:
        torch.empty(0, device=device)  # type: ignore[call-overload]
    except (RuntimeError, TypeError, AssertionError) as wrong:
        first_line = str(wrong).splitlines()[0]
        problems.add(f"device {device!r} can't be used here: {first_line.rstrip('.')}. 'cpu' always works.")
