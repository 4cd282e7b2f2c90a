"""What settings leave open is chosen from frequency and lengths, and said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unrolled.data.frequency import Frequency
from unrolled.forecast.auto import Choice, choose
from unrolled.forecast.config import Config


def _choose(h: int, freq: str | int, *lengths: int, **settings: Any) -> Choice:
    return choose(Config(h, **settings), Frequency.parse(freq), np.array(lengths))


@pytest.mark.parametrize(
    ("h", "freq", "length", "network", "input_size", "segment"),
    [
        (48, "h", 900, "segments", 168, 24),  # seven days in pieces of one
        (14, "D", 700, "segments", 49, 7),
        (52, "W", 2000, "segments", 104, 13),  # two years, in quarters of them
        (12, "MS", 240, "segments", 84, 12),
        (8, "QS", 80, "segments", 28, 4),
        (12, "MS", 40, "steps", 16, None),  # three years and a horizon are more than there is
        (5, 1, 300, "steps", 10, None),  # no season
        (1, 1, 300, "steps", 2, None),
        (48, "h", 200, "segments", 72, 12),  # half of what is left beside the horizon
    ],
)
def test_window_and_network_follow_season_and_lengths(
    h: int, freq: str | int, length: int, network: str, input_size: int, segment: int | None
) -> None:
    config = _choose(h, freq, length).config
    assert (config.network, config.input_size, config.segment) == (network, input_size, segment)


@pytest.mark.parametrize("freq", ["h", "D", "W", "MS", 1])
@pytest.mark.parametrize("network", ["auto", "steps", "segments", "seq2seq", "deepar"])
def test_nothing_is_left_open(freq: str | int, network: str) -> None:
    config = _choose(4, freq, 400, 300, network=network).config
    open_ = [name for name, value in vars(config).items() if value == "auto"]
    needed = ("input_size", "season", "hidden_size", "dropout", "learning_rate", "average", "max_steps", "val_every")
    assert open_ == []
    assert all(getattr(config, name) is not None for name in needed)
    assert config.network != "segments" or config.segment is not None


def test_a_choice_is_made_once() -> None:
    first = _choose(48, "h", 900).config
    again = choose(first, Frequency.parse("h"), np.array([900]))
    assert (again.config, again.reasons) == (first, ())


def test_every_choice_that_shapes_the_forecast_is_said_with_its_reason() -> None:
    assert _choose(48, "h", 900).reasons == (
        "season=24: the season of hourly series",
        "network='segments': the window is read in pieces of the season, 24 steps",
        "input_size=168: 7 seasons, as far as the series allow",
        "scaling='last_series': a forecast goes on from the last value; the series' own spread is the unit",
        "dropout=0.5: of windows side by side there are fewer than 500, soon learnt by heart",
        "max_steps=1500: 685 windows, 128 a step",
    )


def test_many_windows_side_by_side_need_less_dropout_and_have_their_own_spread() -> None:
    config = _choose(48, "h", *[900] * 124).config  # four windows and horizons in each
    assert (config.scaling, config.dropout) == ("last_series", 0.5)
    config = _choose(48, "h", *[900] * 125).config
    assert (config.scaling, config.dropout) == ("last", 0.1)
    assert _choose(48, "h", 900, network="steps").config.dropout == 0.0


def test_what_is_given_is_kept_and_not_spoken_of() -> None:
    settings = {"network": "steps", "input_size": 30, "season": 12, "scaling": "robust", "max_steps": 7}
    choice = _choose(4, "h", 900, **settings)
    assert {name: getattr(choice.config, name) for name in settings} == settings
    assert choice.reasons == ()


@pytest.mark.parametrize("asked", [{"decoder": "recursive"}, {"pooling": "attention"}])
def test_what_only_steps_can_do_chooses_it(asked: dict[str, Any]) -> None:
    assert _choose(4, "h", 900, **asked).config.network == "steps"


@pytest.mark.parametrize("loss", ["negative_binomial", "poisson", "tweedie"])
def test_counts_keep_their_zero(loss: str) -> None:
    assert _choose(4, "h", 900, loss=loss).config.scaling == "mean"


def test_deepar_learns_a_distribution() -> None:
    assert _choose(4, "h", 900, network="deepar").config.loss == "student_t"


@pytest.mark.parametrize(
    ("lengths", "steps"), [((300,), 1500), ((900,) * 100, 1605), ((900,) * 200, 6421), ((900,) * 5000, 10_000)]
)
def test_each_window_is_seen_a_few_times(lengths: tuple[int, ...], steps: int) -> None:
    assert _choose(48, "h", *lengths).config.max_steps == steps


def test_a_segment_that_is_asked_for_chooses_its_network() -> None:
    config = choose(Config(3, segment=2), Frequency.parse("D"), np.array([20])).config
    assert (config.network, config.segment) == ("segments", 2)
