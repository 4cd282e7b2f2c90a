"""GRU and GRUCell as modules; the equations are in `unrolled.cells.gru`.

Shapes: T = time, N = batch, F = input_size, H = hidden_size, L = num_layers, D = directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, overload

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unrolled.cells import GRUEquations
from unrolled.layers.one_step import RecurrentCell
from unrolled.layers.recurrent import RecurrentLayer


class GRU(RecurrentLayer):
    """Gated recurrent units, with the arguments, parameters and results of `torch.nn.GRU`.

    Args:
        input_size: Features of the input (F).
        hidden_size: Hidden units (H) of every layer, or a list with one width a layer.
        num_layers: Stacked layers; 1 by default, or the length of the list that `hidden_size` is.
        bias: Whether the gates have biases. Default: True.
        batch_first: Whether input and output are (N, T, F) rather than (T, N, F). It says nothing of the
            states. Default: False.
        dropout: Probability of a zero in the outputs of every layer but the last, in training. Default: 0.
        bidirectional: Whether a second set of weights reads the sequences backwards. Default: False.
        device: Where the parameters are made.
        dtype: Of what type the parameters are.
        kernel: "auto" takes the first kernel that can run a call; a name ("native", "torch", "reference") takes
            that one or raises `KernelError`.
        precision: "full" computes in the parameters' type. "bf16" rounds the operands of every matrix product to
            bfloat16; sums, states and results stay float32. So does `torch.autocast("cpu")`.
        recompute: Whether training keeps only the states from forward to backward and computes the gates again,
            which takes less memory and more time. In `eval()` mode that is always so.

    Raises:
        ConfigError: An argument's value is wrong; the message lists all that are.
        DtypeError: Only types of arguments are wrong.

    Example:
        >>> import torch
        >>> import unrolled
        >>> gru = unrolled.GRU(7, 50, num_layers=2, batch_first=True)
        >>> x = torch.randn(32, 96, 7)  # 32 sequences of 96 steps with 7 features
        >>> output, h_n = gru(x)
        >>> output.shape, h_n.shape
        (torch.Size([32, 96, 50]), torch.Size([2, 32, 50]))
    """

    kind: ClassVar[str] = "GRU"

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
        kernel: str = "auto",
        precision: str = "full",
        recompute: bool = False,
    ) -> None:
        super().__init__(
            lambda width: GRUEquations(width, bias),
            input_size=input_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            proj_size=0,
            kernel=kernel,
            precision=precision,
            recompute=recompute,
            device=device,
            dtype=dtype,
        )
        self.mode = "GRU"

    @overload
    def forward(self, x: PackedSequence, hx: Any = None, lengths: None = None) -> tuple[PackedSequence, Any]: ...

    @overload
    def forward(
        self, x: Float[Tensor, "*TN F"], hx: Any = None, lengths: Any = None
    ) -> tuple[Float[Tensor, "*TN D*H"], Any]: ...

    def forward(self, x: Any, hx: Any = None, lengths: Any = None) -> Any:
        """Run over whole sequences.

        Args:
            x: (T, N, F), or (N, T, F) with `batch_first`; (T, F) for one sequence; or a PackedSequence.
            hx: The initial state h_0 (L·D, N, H), without N for one sequence; with a width per layer a tuple of
                (D, N, ·) tensors. Zeros by default.
            lengths: Valid steps of each sequence of a padded batch: a list or an int tensor, in any order; 0 is
                allowed. By default all steps are valid.

        Returns:
            `output, h_n`: output in the input's form with D·H features, 0 at padded steps; the state
            after each sequence's last valid step, in the form of hx.

        Raises:
            ShapeError: Shapes do not fit; the message lists all problems of the call.
            DtypeError: Only types, dtypes or devices do not fit.
            KernelError: The kernel chosen by name cannot run this call.

        Example:
            >>> import torch
            >>> import unrolled
            >>> gru = unrolled.GRU(1, 4, bidirectional=True, batch_first=True)
            >>> output, h_n = gru(torch.randn(3, 9, 1), lengths=[9, 2, 5])
            >>> output[1, 2:].abs().max().item()
            0.0
            >>> bool((h_n[0, 1] == output[1, 1, :4]).all())
            True
        """
        return self._run(x, hx, lengths)


class GRUCell(RecurrentCell):
    """One step of a GRU, with the arguments, parameters and results of `torch.nn.GRUCell`.

    Args:
        input_size: Features of the input (F).
        hidden_size: Hidden units (H).
        bias: Whether the gates have biases. Default: True.
        device: Where the parameters are made.
        dtype: Of what type the parameters are.
        kernel: As for `GRU`.

    Raises:
        ConfigError, DtypeError: As `GRU` does.

    Example:
        >>> import torch
        >>> import unrolled
        >>> h = unrolled.GRUCell(7, 50)(torch.randn(32, 7))
        >>> h.shape
        torch.Size([32, 50])
    """

    kind: ClassVar[str] = "GRUCell"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        kernel: str = "auto",
    ) -> None:
        super().__init__(
            lambda width: GRUEquations(width, bias),
            input_size=input_size,
            hidden_size=hidden_size,
            bias=bias,
            kernel=kernel,
            device=device,
            dtype=dtype,
        )

    def forward(self, x: Any, hx: Any = None) -> Tensor:
        """Advance one step: x (N, F) and hx (N, H) to the new h (N, H); or all without N.

        Raises:
            ShapeError, DtypeError, KernelError: As `GRU` does.
        """
        new: Tensor = self._run(x, hx)
        return new
