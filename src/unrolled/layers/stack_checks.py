"""The checks on a `Stack`: its cells, how they go together, and the states that it is given.

Shapes: N = batch, S = width of a state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from torch import Tensor, nn

from unrolled.cells import Cell
from unrolled.errors import ConfigError, ShapeError
from unrolled.layers.findings import Findings, check_like, describe
from unrolled.layers.initial_state import InitialStateFromInput, check_made_like
from unrolled.layers.options import ReadOptions, check_flags, is_number, read_options
from unrolled.layers.own_cell import equations_of
from unrolled.layers.recurrent import RecurrentLayer
from unrolled.layers.trees import leaves


class Place(NamedTuple):
    """One direction of one layer; `cell` is None for a module of the user's own."""

    label: str
    module: nn.Module
    cell: Cell[Any] | None

    @property
    def reads(self) -> int | None:
        """Features that it reads, where it says so."""
        return _size(self.module, "input_size")

    @property
    def gives(self) -> int | None:
        """Features that it puts out, where it says so."""
        return self.cell.output_size if self.cell else _size(self.module, "output_size")


def check_stack(
    cells: Any, flags: Mapping[str, Any], dropout: Any, options: Mapping[str, Any]
) -> tuple[list[list[Place]], ReadOptions]:
    """Return the directions of each layer and the options, or raise everything that is wrong at once."""
    found = Findings()
    layers = _read_cells(found, cells)
    check_flags(found, flags)
    if not (is_number(dropout) and 0 <= dropout <= 1):
        found.add(f"dropout must be a number from 0 to 1, the probability of a zero; got {dropout!r}.")
    places = [place for layer in layers for place in layer]
    known = [len(place.cell.states) for place in places if place.cell]
    read = read_options(found, "Stack", options, 2 if 2 in known or not known else min(known))
    if not flags["share"]:
        _check_repeats(found, places)
    _check_sizes(found, layers, flags["share"])
    _check_noise(found, places, read)
    _check_one_home(found, places)
    if read.residual is True and layers:
        _check_residual(found, layers)
    _check_initial_state(found, layers, read.initial_state)
    found.finish(ConfigError, "Stack(...)")
    return layers, read


def label(layer: int, direction: int, directions: int, module: object) -> str:
    """What messages call a cell: "cells[1][0] (LSTMCell)"."""
    side = f"[{direction}]" if directions == 2 else ""
    return f"cells[{layer}]{side} ({type(module).__name__})"


def check_hx(found: Findings, layers: Sequence[Sequence[Place]], hx: Any, batch: int | None, like: Tensor) -> None:
    """Note everything that is wrong with initial states; `batch=None` is unbatched input."""
    if not isinstance(hx, list | tuple) or len(hx) != len(layers):
        given = f"a tensor {tuple(hx.shape)}" if isinstance(hx, Tensor) else describe(hx)
        found.add_type(f"Stack expected hx to be a list of {len(layers)} states, one a layer; got {given}.")
        return
    for k, (places, entry) in enumerate(zip(layers, hx, strict=True)):
        if entry is None:
            continue
        if len(places) == 1:
            _check_entry(found, f"hx[{k}]", places[0], entry, batch, like)
        elif not isinstance(entry, list | tuple) or len(entry) != 2:
            found.add_type(f"Stack expected hx[{k}] to be a pair of states, one a direction; got {describe(entry)}.")
        else:
            for d in (0, 1):
                _check_entry(found, f"hx[{k}][{d}]", places[d], entry[d], batch, like)


def check_made_states(layers: Sequence[Sequence[Place]], states: Any, batch: int, weight: Tensor) -> None:
    """Refuse what an `initial_state` module returned if it is not a state for each direction of each layer.

    Raises:
        ShapeError: What it should have returned, and what it did.
        DtypeError: A state is not of the parameters' dtype or on their device.
    """
    wanted = [[[(batch, width) for width in p.cell.state_sizes] for p in layer if p.cell] for layer in layers]
    rule = "Stack's initial_state module must return, for each layer, a list of one tuple of states a direction."
    try:
        given = [[[tuple(state.shape) for state in direction] for direction in layer] for layer in states]
    except (TypeError, AttributeError):
        raise ShapeError(f"{rule} It returned {describe(states)}.") from None
    if given != wanted:
        raise ShapeError(f"{rule} Their shapes must be {wanted}; it returned {given}.")
    check_made_like("Stack", states, weight)


def _read_cells(found: Findings, cells: Any) -> list[list[Place]]:
    if not isinstance(cells, list | tuple | nn.ModuleList):
        found.add_type(f"Stack expected a list of cells, one a layer; got {_given(cells)}.")
        return []
    found.check(len(cells) > 0, "Stack expected at least one cell; got an empty list.")
    layers = []
    for k, entry in enumerate(cells):
        pair = isinstance(entry, list | tuple)
        if pair and len(entry) != 2:
            found.add(f"cells[{k}] must be a cell or a pair (forward, backward); got {describe(entry)}.")
            continue
        parts = entry if pair else [entry]
        layers.append([_place(found, label(k, d, len(parts), part), part) for d, part in enumerate(parts)])
    fine = len(layers) == len(cells) and all(isinstance(p.module, nn.Module) for layer in layers for p in layer)
    return layers if fine else []


def _place(found: Findings, label: str, module: Any) -> Place:
    if isinstance(module, RecurrentLayer | nn.RNNBase) or getattr(module, "kind", "") == "Stack":
        hint = "" if getattr(module, "kind", "") == "Stack" else f" Pass {type(module).__name__}Cell(...)."
        found.add_type(f"{label} is a whole layer, and a Stack is made of cells, which run one step.{hint}")
    elif not isinstance(module, nn.Module):
        hint = f" Pass {module.__name__}(...)." if isinstance(module, type) else ""
        found.add_type(f"{label.partition(' ')[0]} must be a module that runs one step; got {_given(module)}.{hint}")
        return Place(label, module, None)
    return Place(label, module, equations_of(module))


def _given(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else describe(value)


def _size(module: nn.Module, name: str) -> int | None:
    size = getattr(module, name, None)
    return size if isinstance(size, int) and not isinstance(size, bool) else None


def _check_repeats(found: Findings, places: list[Place]) -> None:
    by_module: dict[int, list[str]] = defaultdict(list)
    for place in places:
        by_module[id(place.module)].append(place.label)
    for labels in by_module.values():
        found.check(
            len(labels) == 1,
            f"{' and '.join(labels)} are one and the same object, so they would share their weights. "
            "Make a cell for each, or pass share=True if that is meant.",
        )


def _check_sizes(found: Findings, layers: list[list[Place]], share: Any) -> None:
    """Compare what each layer puts out with what the next one reads."""
    for first, *others in layers:
        for other in others:
            fits = None in (first.reads, other.reads) or first.reads == other.reads
            found.check(fits, f"{first.label} reads {first.reads} features and {other.label} {other.reads}.")
    for before, after in pairwise(layers):
        gives, given = _width(before), " and ".join(f"{p.label} puts out {p.gives}" for p in before)
        for place in after:
            if gives is not None and place.reads is not None and place.reads != gives:
                joined = f", side by side {gives}," if len(before) > 1 else ""
                again = share is True and any(place.module is p.module for layer in layers for p in layer if p != place)
                hint = " A shared cell must read as many features as it puts out." if again else ""
                found.add(f"{given}{joined} but {place.label} reads {place.reads} features.{hint}")


def _width(layer: list[Place]) -> int | None:
    widths = [place.gives for place in layer]
    return None if None in widths else sum(filter(None, widths))


def _check_noise(found: Findings, places: list[Place], read: ReadOptions) -> None:
    own = [place.label for place in places if place.cell is None]
    many = [place.label for place in places if place.cell and len(place.cell.states) > 2]
    zoned = bool(any(read.zoneout)) if isinstance(read.zoneout, tuple | list) else bool(read.zoneout)
    if own and read.recurrent_dropout:
        found.add(f"recurrent_dropout acts where h meets recurrent weights, inside {', '.join(own)}. Put it there.")
    if own and zoned:
        found.add(f"zoneout is defined for h and c; what {', '.join(own)} carries is its own. Put it there.")
    if many and zoned and len(many) < len(places):
        found.add(f"zoneout is defined for h and c; {', '.join(many)} has other states too.")
    if own and read.kernel in ("native", "torch"):
        found.add(f"kernel={read.kernel!r} can't run {', '.join(own)}: it has equations of its own. Leave kernel out.")


def _check_one_home(found: Findings, places: list[Place]) -> None:
    """All our cells must hold parameters of one type on one device."""
    homes: dict[Any, list[str]] = defaultdict(list)
    for place in places:
        weight = getattr(place.module, "weight_ih", None) if place.cell else None
        if weight is not None:
            homes[weight.dtype, weight.device].append(place.label)
    texts = [f"{', '.join(labels)}: {dtype} on {device}" for (dtype, device), labels in homes.items()]
    found.check(len(homes) < 2, f"The cells' parameters must be of one dtype on one device; {'; '.join(texts)}.")


def _check_residual(found: Findings, layers: list[list[Place]]) -> None:
    widths = [_width(layer) for layer in layers]
    found.check(
        None in widths or any(one == other for one, other in pairwise(widths)),
        "residual=True adds a layer's input to its output where both are of one width; with widths "
        f"{widths} no layer after the first has such. Leave residual out.",
    )


def _check_initial_state(found: Findings, layers: list[list[Place]], initial: Any) -> None:
    if initial == "zeros" or not (initial == "learned" or isinstance(initial, nn.Module)):
        return
    if own := [place.label for layer in layers for place in layer if place.cell is None]:
        what = "'learned'" if initial == "learned" else type(initial).__name__
        found.add(
            f"initial_state={what} makes states for cells whose states are known; {', '.join(own)} has its own. "
            "Give that module a method initial_state(batch), and leave initial_state out."
        )
    elif isinstance(initial, InitialStateFromInput):
        _check_chains(found, layers, initial)


def _check_chains(found: Findings, layers: list[list[Place]], initial: InitialStateFromInput) -> None:
    """Compare what `InitialStateFromInput` makes with what the cells carry."""
    made = [link.out_features for link in initial.chains[0]]  # type: ignore[attr-defined]
    if not found.check(
        len(made) == len(layers),
        f"InitialStateFromInput makes states for {len(made)} layers; the Stack has {len(layers)}.",
    ):
        return
    for width, layer in zip(made, layers, strict=True):
        found.check(
            len(layer) == initial.directions,
            f"InitialStateFromInput makes states for {initial.directions} direction(s) of each layer; "
            f"{layer[0].label} is one of {len(layer)}.",
        )
        for place in layer:
            assert place.cell is not None, "modules of the user's own were refused"
            _check_made(found, place.label, place.cell, initial.states, width)


def _check_made(found: Findings, label: str, cell: Cell[Any], states: int, width: int) -> None:
    names = ", ".join(cell.states)
    if found.check(
        len(cell.states) == states,
        f"InitialStateFromInput makes {states} state(s) for each layer; {label} carries {len(cell.states)} ({names}). "
        "It is for cells that all carry as many: for others write a module that returns [[states of a direction]] "
        "for each layer, or take initial_state='learned'.",
    ):
        found.check(
            cell.state_sizes == (width,) * states,
            f"InitialStateFromInput makes states of width {width} where {label} carries {names} of {cell.state_sizes}.",
        )


def _check_entry(found: Findings, name: str, place: Place, entry: Any, batch: int | None, like: Tensor) -> None:
    if place.cell is None:
        _check_own(found, name, place, entry, batch)
        return
    names = place.cell.states
    many = len(names) > 1
    wanted = f"Stack expected {name}, the state of {place.label}, to be"
    states = entry if many else (entry,)
    if many and (not isinstance(entry, list | tuple) or len(entry) != len(names)):
        given = f"a tensor {tuple(entry.shape)}" if isinstance(entry, Tensor) else describe(entry)
        found.add_type(f"{wanted} a tuple ({', '.join(names)}); got {given}.")
        return
    for state, own, width in zip(states, names, place.cell.state_sizes, strict=True):
        shape = (width,) if batch is None else (batch, width)
        axes = "(width)" if batch is None else "(N=batch, width)"
        what = f"{own} of {name}" if many else name
        if not isinstance(state, Tensor):
            found.add_type(f"{wanted} {'of tensors' if many else 'one tensor'}; {what} is {describe(state)}.")
            continue
        check_like(found, "Stack", what, state, like)
        if tuple(state.shape) != shape:
            hint = f" Is it an h_n? Pass {what}[0]." if tuple(state.shape) == (1, *shape) else ""
            of = "of tensors " if many else ""
            found.add(f"{wanted} {of}{shape}, that is {axes}; {what} is {tuple(state.shape)}.{hint}")


def _check_own(found: Findings, name: str, place: Place, entry: Any, batch: int | None) -> None:
    what = f"{name}, the state of {place.label},"
    for leaf in leaves(entry):
        if not isinstance(leaf, Tensor):
            found.add_type(f"Stack expected {what} as tensors in nested tuples; in it is {describe(leaf)}.")
        elif batch is not None and (leaf.dim() == 0 or len(leaf) != batch):
            begins = f"to begin with the batch axis, N={batch}; got {tuple(leaf.shape)}."
            found.add(f"Stack expected every tensor of {what} {begins}")
