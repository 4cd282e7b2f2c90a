"""Initial values from files: what numpy writes comes back, and everything else is explained."""

import io
import pickle
import re

import numpy as np
import pytest
import torch

from unrolled import init
from unrolled.errors import ConfigError, DataError, ShapeError

VALUES = np.random.default_rng(0).normal(size=(6, 4))


class Bomb:
    """Notes it if it is ever unpickled."""

    went_off = False

    def __reduce__(self):
        return (setattr, (Bomb, "went_off", True))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
@pytest.mark.parametrize("form", ["<f8", ">f8", "<f4", "F"])
def test_npy(tmp_path, form, dtype):
    array = np.asfortranarray(VALUES) if form == "F" else VALUES.astype(form)
    np.save(tmp_path / "w.npy", array)
    filled = init.from_file(tmp_path / "w.npy")(torch.empty(6, 4, dtype=dtype))
    assert torch.equal(filled, torch.tensor(array.astype("f8")).to(dtype))


@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4), (0, 4)])
def test_npy_of_any_shape(tmp_path, shape):
    array = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    np.save(tmp_path / "W.NPY.npy", array)
    filled = init.from_file(tmp_path / "W.NPY.npy")(torch.full(shape, torch.nan))
    assert torch.equal(filled, torch.tensor(array, dtype=torch.float32))


@pytest.mark.parametrize("separator", [",", ";", "\t", " ", ", "])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv(tmp_path, separator, end):
    path = tmp_path / "w.CSV"
    np.savetxt(path, VALUES, fmt="%.17g", delimiter=separator, newline=end, header="made by numpy\n", encoding="utf-8")
    assert torch.equal(init.from_file(str(path))(torch.empty(6, 4, dtype=torch.float64)), torch.tensor(VALUES))


@pytest.mark.parametrize("text", ["1,2,3", "1\n2\n3\n", "\ufeff1\n\n2\n3\n\n", "# a note\n1e0;2.;+3"])
def test_one_line_or_column_of_csv_fills_a_vector(tmp_path, text):
    path = tmp_path / "b.csv"
    path.write_text(text, encoding="utf-8")
    assert init.from_file(path)(torch.empty(3)).tolist() == [1, 2, 3]


def test_a_parameter_is_filled_in_place_and_the_file_is_read_anew(tmp_path):
    path = tmp_path / "w.npy"
    np.save(path, VALUES)
    parameter, reader = torch.nn.Parameter(torch.empty(6, 4)), init.from_file(path)
    assert reader(parameter) is parameter
    np.save(path, VALUES + 1)
    assert torch.equal(reader(parameter).detach(), torch.tensor(VALUES + 1).float())
    assert reader(torch.empty(6, 4, device="meta")).is_meta


def written(path, content):
    if isinstance(content, np.ndarray):
        np.save(path, content)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return init.from_file(path)


def npz():
    file = io.BytesIO()
    np.savez(file, w=VALUES)
    return file.getvalue()


def saved():
    file = io.BytesIO()
    np.save(file, VALUES)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "error", "says"),
    [
        ("w.npy", VALUES.T, ShapeError,
         "w.npy holds an array (4, 6); the tensor is (6, 4). Is it transposed? Keras keeps kernels as"),
        ("w.npy", VALUES[:5], ShapeError, "w.npy holds an array (5, 4); the tensor is (6, 4)."),
        ("w.npy", VALUES.reshape(-1), ShapeError, "w.npy holds an array (24,); the tensor is (6, 4)."),
        ("w.csv", "1,2\n3,4\n", ShapeError, "w.csv holds an array (2, 2); the tensor is (6, 4)."),
        ("w.csv", "1,2,3,4\n1,2,3\n", DataError,
         "w.csv is no matrix of numbers\n  - line 2 has 3 value(s), line 1 has 4."),
        ("w.csv", "a,b,c,d\n1,2,3,4\n", DataError,
         "line 1, value 1 is 'a', which is no number. The file must have no header."),
        ("w.csv", "1;2\n1,5;2\n", DataError,
         "line 2, value 1 is '1,5', which is no number. Numbers are written with a decimal point."),
        ("w.csv", "1,2\n3,\n", DataError, "line 2, value 2 is '', which is no number."),
        ("w.csv", "\n \n# nothing\n", DataError, "w.csv holds no numbers."),
        ("w.csv", b"1,2\n\xff\xfe", DataError, "w.csv is not UTF-8 text. Save it anew as CSV in UTF-8."),
        ("w.csv", "1,2,3,4\n" * 5 + "1,nan,3,inf", DataError,
         "w.csv holds 2 value(s) that are not finite in torch.float32; the first is at (5, 1): nan."),
        ("w.npy", np.full((6, 4), 1e300), DataError, "w.npy holds 24 value(s) that are not finite in torch.float32"),
        ("w.npy", VALUES > 0, DataError, "w.npy holds bool; initial values are real numbers."),
        ("w.npy", VALUES + 1j, DataError, "w.npy holds complex128; initial values are real numbers."),
        ("w.npy", VALUES.astype(str), DataError, "initial values are real numbers."),
        ("w.npy", np.array([[Bomb()]], dtype=object), DataError,
         "w.npy is damaged, or holds Python objects, which are never opened"),
        ("w.npy", pickle.dumps(Bomb()), DataError,
         "w.npy is no NPY file but a pickle, which could run code and is never opened."),
        ("w.npy", npz(), DataError, "w.npy is no NPY file but an archive of several arrays"),
        ("w.npy", b"1,2\n", DataError, "w.npy is no NPY file."),
        ("w.npy", b"", DataError, "w.npy is no NPY file."),
        ("w.npy", saved()[:-1], DataError, "w.npy is damaged"),
        ("w.npy", saved()[:30], DataError, "w.npy is damaged"),
        ("w.npy", saved().replace(b"(6, 4), ", b"(6, 4   "), DataError, "w.npy is damaged"),
        ("w.npy", saved().replace(b"(6, 4)", b"(9999999999999, 4)")[:128], DataError, "w.npy is damaged"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_serve_says_why(tmp_path, name, content, error, says):
    tensor = torch.ones(6, 4)
    with pytest.raises(error, match=re.escape(says)):
        written(tmp_path / name, content)(tensor)
    assert torch.equal(tensor, torch.ones(6, 4))
    assert not Bomb.went_off


def test_many_problems_are_counted(tmp_path):
    with pytest.raises(DataError) as caught:
        written(tmp_path / "w.csv", "1,2\nx\ny\n3\n4\n")(torch.ones(6, 4))
    assert caught.value.problems[-1] == "3 more problem(s)."
    assert len(caught.value.problems) == 4


def test_a_file_that_is_not_there(tmp_path):
    (tmp_path / "weights.npy").write_bytes(b"")
    for path, says in [
        (tmp_path / "wieghts.npy", "There is no file 'wieghts.npy' in"),
        (tmp_path / "wieghts.npy", "Did you mean 'weights.npy'?"),
        (tmp_path / "none" / "w.csv", f"nor a folder {tmp_path / 'none'}."),
    ]:
        with pytest.raises(DataError, match=re.escape(says)):
            init.from_file(path)(torch.ones(2))
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match=re.escape("folder.csv is a folder")):
        init.from_file(tmp_path / "folder.csv")(torch.ones(2))


@pytest.mark.parametrize(
    ("name", "got"), [("w.pt", "not .pt."), ("w.pkl", "not .pkl."), ("w", "not without a suffix.")]
)
def test_another_kind_of_file_is_refused_at_once(name, got):
    with pytest.raises(
        ConfigError, match=re.escape(f"{name}: initial values are read from .csv and .npy files, {got}")
    ):
        init.from_file(name)


def test_no_byte_of_an_npy_file_can_do_worse_than_a_teaching_error(tmp_path):
    """Every header byte changed, one at a time: either the very values, or one of our errors."""
    good, refused = saved(), 0
    for place in range(128):
        broken = bytearray(good)
        broken[place] ^= 0x15
        tensor = torch.full((6, 4), 7.0, dtype=torch.float64)
        try:
            written(tmp_path / "w.npy", bytes(broken))(tensor)
        except (DataError, ShapeError):
            refused += 1
            assert (tensor == 7).all()
        else:
            assert tensor.isfinite().all()
    assert refused > 40  # most of the header; the rest is padding and quotation marks
