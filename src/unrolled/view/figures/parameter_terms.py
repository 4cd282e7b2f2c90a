"""How many parameters a layer has, worked out: each block's size in letters, then in numbers.

Letters: F = input_size, H = hidden_size, D = directions, P = proj_size.
"""

from __future__ import annotations

from typing import NamedTuple

from unrolled.trace import PartWeights, Recurrent
from unrolled.trace.named_array import NamedArray


class Size(NamedTuple):
    """A size in letters and in numbers: ("2·H", 10)."""

    letters: str
    number: int


class Term(NamedTuple):
    """One summand of the count: ("4·H·(F + H)", "4·5·(3 + 5)", 160)."""

    letters: str
    numbers: str
    total: int


class Sizes(NamedTuple):
    """What one direction of one layer is sized by: its gates, input, hidden units, and what of h it reads back."""

    gates: int
    input: Size
    hidden: Size
    back: Size

    def of(self, name: str, array: NamedArray) -> tuple[str, ...]:
        """The letters of each axis of the array of that name."""
        letters = {
            "gate_hidden": _product(self.gates, self.hidden.letters),
            "feature": self.input.letters,
            "hidden": self.hidden.letters,
            "hidden_of_head": self.back.letters,
            "projection": "P",
        }
        return tuple(letters.get(axis, f"{size:,}") for axis, size in array.sizes.items())


def sizes_of(layer: Recurrent, part: PartWeights) -> Sizes:
    """Find the letters for a part's sizes."""
    rows, width = part["weight_ih"].shape
    hidden = _hidden(layer, part)
    back = part["weight_hh"].shape[1]
    several = _several_widths(layer)
    name = f"H_{part.layer}" if several else "H"
    back_name = {"projection": "P", "hidden_of_head": "H/heads"}.get(part["weight_hh"].axes[1], name)
    return Sizes(rows // hidden, Size(_input_letters(layer, part), width), Size(name, hidden), Size(back_name, back))


def terms_of(layer: Recurrent, part: PartWeights) -> list[Term]:
    """The summands of a part's count: the products with x and h, the biases, and what its options add."""
    sizes = sizes_of(layer, part)
    rows = _product(sizes.gates, sizes.hidden.letters), _product(sizes.gates, str(sizes.hidden.number))
    terms = [
        Term(
            f"{rows[0]}·({sizes.input.letters} + {sizes.back.letters})",
            f"{rows[1]}·({sizes.input.number} + {sizes.back.number})",
            sizes.gates * sizes.hidden.number * (sizes.input.number + sizes.back.number),
        )
    ]
    biases = [name for name in ("bias_ih", "bias_hh") if name in part.arrays]
    if biases:
        times = len(biases) * sizes.gates
        letters, numbers = _product(times, sizes.hidden.letters), _product(times, str(sizes.hidden.number))
        terms.append(Term(letters, numbers, times * sizes.hidden.number))
    others = [name for name in part.arrays if name not in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    return terms + [_of_array(sizes, name, part[name]) for name in others]


def _of_array(sizes: Sizes, name: str, array: NamedArray) -> Term:
    letters, numbers = sizes.of(name, array), [str(size) for size in array.shape]
    return Term("·".join(letters), "·".join(numbers), int(array.values.size))


def arithmetic(terms: list[Term]) -> str:
    """Write the count out: "4·H·(F + H) + 8·H = 4·5·(3 + 5) + 8·5 = 200"."""
    letters, numbers = " + ".join(term.letters for term in terms), " + ".join(term.numbers for term in terms)
    return f"{letters} = {numbers} = {sum(term.total for term in terms):,}"


def _product(times: int, letters: str) -> str:
    return letters if times == 1 else f"{times}·{letters}"


def _hidden(layer: Recurrent, part: PartWeights) -> int:
    for name in ("weight_hr", "weight_peephole", "norm_c"):
        if name in part.arrays:
            return int(part[name].shape[-1])
    if part["weight_hh"].axes[1] == "hidden_of_head":
        return int(part["weight_ih"].shape[0]) // 4
    return int(part["weight_hh"].shape[1])


def _several_widths(layer: Recurrent) -> bool:
    return len({part["weight_ih"].shape[0] for part in layer.weights if part.arrays}) > 1


def _input_letters(layer: Recurrent, part: PartWeights) -> str:
    """F for the first layer; for others what the layer below gives, in letters where that is the same for all."""
    if part.layer == 0:
        return "F"
    below = [one for one in layer.weights if one.layer == part.layer - 1 and one.arrays]
    widths = {int(one["weight_hr"].shape[0]) if "weight_hr" in one.arrays else _hidden(layer, one) for one in below}
    if len(widths) != 1 or widths.pop() * len(below) != part["weight_ih"].shape[1]:
        return f"F_{part.layer}"
    letter = "P" if "weight_hr" in below[0].arrays else f"H_{part.layer - 1}" if _several_widths(layer) else "H"
    return _product(len(below), letter)
