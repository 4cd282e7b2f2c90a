"""SLSTM and SLSTMCell as modules; the equations are in `unrolled.cells.slstm`.

Shapes: T = time, N = batch, F = input_size, H = hidden_size, L = num_layers, D = directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Unpack

import torch
from torch import Tensor

from unrolled.cells import SLSTMEquations
from unrolled.layers.one_step import RecurrentCell
from unrolled.layers.options import LayerOptions
from unrolled.layers.recurrent import RecurrentLayer


class SLSTM(RecurrentLayer):
    """The scalar LSTM of xLSTM (Beck et al. 2024): exponential gates, with a normaliser and a stabiliser state.

    Args:
        input_size: Features of the input (F).
        hidden_size: Hidden units (H) of every layer, or a list with one width a layer.
        num_layers: Stacked layers; 1 by default, or the length of the list that `hidden_size` is.
        bias: Whether the gates have biases. Default: True.
        batch_first: Whether input and output are (N, T, F) rather than (T, N, F). Default: False.
        dropout: Probability of a zero in the outputs of every layer but the last, in training. Default: 0.
        bidirectional: Whether a second set of weights reads the sequences backwards. Default: False.
        device: Where the parameters are made.
        dtype: Of what type the parameters are.
        num_heads: Groups of units; a unit's recurrent weights see those of its own group. Default: 1.
        forget_gate: "sigmoid", the default, or "exp".
        forget_bias: What the biases of the forget gate add up to at first. Default: as `init` says.
        **options: What all layers have beyond `torch.nn`, explained at `LayerOptions`: initial_state, residual,
            recurrent_dropout, weight_drop, init, kernel, precision, recompute.

    Raises:
        ConfigError: An argument's value is wrong; the message lists all that are.
        DtypeError: Only types of arguments are wrong.

    Example:
        >>> import torch
        >>> import unrolled
        >>> slstm = unrolled.SLSTM(7, 48, num_heads=4, batch_first=True)
        >>> output, (h_n, c_n, n_n, m_n) = slstm(torch.randn(32, 96, 7))
        >>> output.shape, n_n.shape
        (torch.Size([32, 96, 48]), torch.Size([1, 32, 48]))
    """

    kind: ClassVar[str] = "SLSTM"
    equations: ClassVar[type[SLSTMEquations]] = SLSTMEquations

    def __init__(
        self,
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int | None = None,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float | int = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        num_heads: int = 1,
        forget_gate: Literal["sigmoid", "exp"] = "sigmoid",
        forget_bias: float | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            input_size=input_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            device=device,
            dtype=dtype,
            cell_options={"bias": bias, "num_heads": num_heads, "forget_gate": forget_gate},
            options=options,
            forget_bias=forget_bias,
        )

    def forward(self, x: Any, hx: Any = None, lengths: Any = None) -> Any:
        """Run over whole sequences.

        Args:
            x: (T, N, F), or (N, T, F) with `batch_first`; (T, F) for one sequence; a PackedSequence, a list of (T, F)
                or a jagged nested tensor, which all come back as such.
            hx: Initial states `(h_0, c_0, n_0, m_0)`, each (L·D, N, H), without N for one sequence; with a width per
                layer a tuple of (D, N, H) tensors each. Zeros by default.
            lengths: Valid steps of each sequence of a padded batch: a list or an int tensor, in any order; 0 is
                allowed. By default all steps are valid. Under `torch.compile` give a tensor: for each new list the
                layer is compiled anew.

        Returns:
            `output, (h_n, c_n, n_n, m_n)`: output in the input's form with D·H features, 0 at padded steps; the states
            after each sequence's last valid step, in the form of hx.

        Raises:
            ShapeError: Shapes do not fit; the message lists all problems of the call.
            DtypeError: Only types, dtypes or devices do not fit.
            KernelError: The kernel chosen by name cannot run this call.

        Example:
            >>> import torch
            >>> import unrolled
            >>> output, states = unrolled.SLSTM(1, 4)(torch.randn(9, 3, 1), lengths=[9, 2, 5])
            >>> output[2:, 1].abs().max().item()
            0.0
        """
        return self._run(x, hx, lengths)


class SLSTMCell(RecurrentCell):
    """One step of an sLSTM, for `Stack` and for loops of one's own.

    Args:
        input_size: Features of the input (F).
        hidden_size: Hidden units (H).
        bias: Whether the gates have biases. Default: True.
        device: Where the parameters are made.
        dtype: Of what type the parameters are.
        num_heads, forget_gate, forget_bias: As for `SLSTM`.
        init: As for `LayerOptions`.
        kernel: As for `LayerOptions`.

    Raises:
        ConfigError, DtypeError: As `SLSTM` does.

    Example:
        >>> import torch
        >>> import unrolled
        >>> h, c, n, m = unrolled.SLSTMCell(7, 48)(torch.randn(32, 7))
        >>> h.shape
        torch.Size([32, 48])
    """

    kind: ClassVar[str] = "SLSTMCell"
    equations: ClassVar[type[SLSTMEquations]] = SLSTMEquations

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        num_heads: int = 1,
        forget_gate: Literal["sigmoid", "exp"] = "sigmoid",
        forget_bias: float | None = None,
        init: Any = "torch",
        kernel: str = "auto",
    ) -> None:
        super().__init__(
            input_size=input_size,
            hidden_size=hidden_size,
            init=init,
            kernel=kernel,
            device=device,
            dtype=dtype,
            cell_options={"bias": bias, "num_heads": num_heads, "forget_gate": forget_gate},
            forget_bias=forget_bias,
        )

    def forward(self, x: Any, hx: Any = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Advance one step: x (N, F) and hx `(h, c, n, m)`, each (N, H), to the new ones; or all without N.

        Raises:
            ShapeError, DtypeError, KernelError: As `SLSTM` does.
        """
        new: tuple[Tensor, Tensor, Tensor, Tensor] = self._run(x, hx)
        return new
