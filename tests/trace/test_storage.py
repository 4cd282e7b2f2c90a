"""Traces on disk: what a damaged, foreign or newer one says. No PyTorch here."""

import base64
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from unrolled.errors import ArtifactError
from unrolled.trace import DirectionTrace, NamedArray, Trace


def make() -> Trace:
    steps, batch, width = 3, 2, 4
    values = np.arange(steps * batch * width, dtype=np.float32).reshape(steps, batch, width)
    axes = ("time", "batch", "hidden")
    arrays = {"inputs": NamedArray(values, axes), "h": NamedArray(-values, axes)}
    return Trace(
        kind="RNN",
        settings={"bidirectional": False, "batch_first": False, "hidden_size": 4},
        batched=True,
        lengths=NamedArray(np.array([3, 1]), ("batch",)),
        parts=(DirectionTrace(0, "forward", arrays),),
        output=NamedArray(-values, ("time", "batch", "feature")),
        finals={"h_n": NamedArray(values[-1:], ("layer_direction", "batch", "hidden"))},
    )


def changed(*path, to=None):
    """The document with one entry replaced, or removed."""
    document = json.loads(make().to_json())
    place = document
    for key in path[:-1]:
        place = place[key]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "The text is not a trace: it is not readable as JSON"),
        ("[" * 100_000, "not readable as JSON"),
        (b"\xff\xfe\x00", "not readable as JSON"),
        ("[]", 'its "schema" is None, not "unrolled-trace/1"'),
        (changed("schema"), 'its "schema" is None'),
        (changed("schema", to="other/1"), "its \"schema\" is 'other/1'"),
        (changed("schema", to="unrolled-trace/2"), "written by a newer unrolled; this one reads unrolled-trace/1"),
        (changed("schema", to="unrolled-trace/x"), "the schema's version 'x' is not a number"),
        (changed("kind"), "damaged unrolled-trace document: the entry 'kind' is missing"),
        (changed("batched", to=1), "at batched expected a bool, found int"),
        (changed("parts", to={}), "at parts expected a list, found dict"),
        (changed("parts", 0, "layer", to=True), "at parts[0].layer expected a int, found bool"),
        (changed("parts", 0, "direction", to="up"), "the direction 'up' is neither of forward, reverse"),
        (changed("parts", 0, "arrays", "h", "data", to="AAAA"),
         "at parts[0].arrays.h shape (3, 2, 4) of <f4 needs 96 bytes"),
        (changed("parts", 0, "arrays", "h", "data", to="%"), "at parts[0].arrays.h the data is not base64"),
        (changed("parts", 0, "arrays", "h", "dtype", to="|O"), "dtype '|O' is none of"),
        (changed("parts", 0, "arrays", "h", "shape", to=[3, -2, 4]), "do not belong together"),
        (changed("parts", 0, "arrays", "h", "shape", to=[2**40, 2**40, 4]), "bytes, found 96"),
        (changed("parts", 0, "arrays", "h", "axes", to=["time"]), "do not belong together"),
        (changed("finals", "h_n", "arrays", to=[]), "at finals.h_n expected one array, found 0"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(text, says):
    with pytest.raises(ArtifactError, match=re.escape(says)):
        Trace.from_json(text)


def test_the_file_is_named(tmp_path):
    path = tmp_path / "broken.json"
    path.write_text(changed("output"))
    with pytest.raises(ArtifactError, match=r"broken\.json is a damaged .* the entry 'output' is missing"):
        Trace.load(path)
    with pytest.raises(FileNotFoundError):
        Trace.load(tmp_path / "absent.json")


def test_entries_of_the_future_are_ignored():
    document = json.loads(make().to_json()) | {"weights": [1, 2]}
    assert Trace.from_json(json.dumps(document)).kind == "RNN"


def test_bytes_are_little_endian_whatever_the_array_was():
    big = NamedArray(np.array([1.0, 2.0], dtype=">f4"), ("batch",))
    trace = make()
    object.__setattr__(trace, "lengths", big)
    encoded = json.loads(trace.to_json())["lengths"]
    assert encoded["dtype"] == "<f4"
    assert base64.b64decode(encoded["data"]) == np.array([1, 2], "<f4").tobytes()
    assert Trace.from_json(trace.to_json()).lengths.values.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i8", "?"])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 0), (5,)])
def test_every_dtype_and_shape_comes_back(dtype, shape):
    values = np.ones(shape, dtype)
    trace = make()
    object.__setattr__(trace, "output", NamedArray(values, tuple("abcd"[: len(shape)])))
    object.__setattr__(trace, "finals", {})
    document = json.loads(trace.to_json())
    again = Trace.from_json(json.dumps(document)).output
    assert again.values.dtype == values.dtype
    assert again.shape == shape
    again.values[...] = 0


def test_not_a_number_survives():
    trace = make()
    trace.parts[0]["h"].values[0, 0, 0] = np.nan
    assert np.isnan(Trace.from_json(trace.to_json()).parts[0]["h"][0, 0, 0])


def test_valid_steps():
    assert make().valid.values.tolist() == [[True, True], [True, False], [True, False]]
    with pytest.raises(KeyError):
        make()[1, "forward"]


def test_long_batches_are_abbreviated_in_the_text():
    trace = make()
    object.__setattr__(trace, "lengths", NamedArray(np.arange(20), ("batch",)))
    assert "lengths [0, 1, 2] … [19] (20 samples)" in repr(trace)


def test_named_array():
    array = NamedArray(np.zeros((2, 3)), ("time", "batch"))
    assert array.sizes == {"time": 2, "batch": 3}
    assert np.asarray(array) is array.values
    assert np.array(array) is not array.values
    assert np.asarray(array, dtype="f4").dtype == np.float32
    with pytest.raises(ValueError, match="give one name per axis"):
        NamedArray(np.zeros((2, 3)), ("time",))


def test_a_trace_is_read_without_torch():
    code = "import sys, unrolled.trace; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
