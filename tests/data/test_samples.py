"""The samples are what they say, and come in like any other file."""

import numpy as np
import pytest

from unrolled.data.samples import SAMPLES, sample_columns, write_sample
from unrolled.data.table import read_panel
from unrolled.errors import DataError


@pytest.fixture
def panel(tmp_path):
    def panel(name):
        path = tmp_path / "made" / f"{name}.csv"
        write_sample(name, path)
        assert path.read_bytes().startswith(b"unique_id,ds,y\n")
        return read_panel(path)

    return panel


def test_sunspots(panel):
    sunspots = panel("sunspots")
    assert sunspots.freq.name == "yearly"
    assert len(sunspots.values) == 309
    assert sunspots.times[0] == np.datetime64("1700-01-01")
    assert (sunspots.values[0], sunspots.values[-1]) == (5.0, 2.9)
    assert not np.isnan(sunspots.values).any()


def test_co2_keeps_its_gaps(panel):
    co2 = panel("co2")
    assert (co2.freq.name, co2.freq.season) == ("weekly", 52)
    assert (len(co2.values), int(np.isnan(co2.values).sum())) == (2284, 59)
    assert (co2.times[0], co2.times[-1]) == (np.datetime64("1958-03-29"), np.datetime64("2001-12-29"))
    assert (co2.values[0], co2.values[-1]) == (316.1, 371.5)
    assert co2.notes[-1] == (
        "ds: weekly; 59 of 2,284 weeks are missing, 59 with no value (first 1958-05-10), and are masked"
    )


def test_sine(panel):
    sine = panel("sine")
    assert sine.times.tolist() == list(range(800))
    np.testing.assert_allclose(sine.values, np.sin(2 * np.pi * np.arange(800) / 40), atol=1e-11)


def test_every_sample_is_one_of_the_samples():
    for name, sample in SAMPLES.items():
        assert sample.name == name
        assert list(sample_columns(name)) == ["unique_id", "ds", "y"]


def test_unknown_samples():
    with pytest.raises(DataError) as error:
        write_sample("sunspot", "never.csv")
    assert str(error.value) == (
        "There is no sample 'sunspot'. Did you mean 'sunspots'? The samples are sunspots, co2, sine."
    )
