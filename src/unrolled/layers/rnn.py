"""RNN and RNNCell as modules; the equations are in `unrolled.cells.rnn`.

Shapes: T = time, N = batch, F = input_size, H = hidden_size, L = num_layers, D = directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack, overload

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unrolled.cells import Nonlinearity, RNNEquations
from unrolled.layers.one_step import RecurrentCell
from unrolled.layers.options import LayerOptions
from unrolled.layers.recurrent import RecurrentLayer


class RNN(RecurrentLayer):
    """The simple recurrent network of Elman, with the arguments, parameters and results of `torch.nn.RNN`.

    Args:
        input_size: Features of the input (F).
        hidden_size: Hidden units (H) of every layer, or a list with one width a layer.
        num_layers: Stacked layers; 1 by default, or the length of the list that `hidden_size` is.
        nonlinearity: "tanh", the default, "relu", or any other name, `Activation(name, alpha, beta)` or function.
        bias: Whether there are biases. Default: True.
        batch_first: Whether input and output are (N, T, F) rather than (T, N, F). It says nothing of the
            states. Default: False.
        dropout: Probability of a zero in the outputs of every layer but the last, in training. Default: 0.
        bidirectional: Whether a second set of weights reads the sequences backwards. Default: False.
        device: Where the parameters are made.
        dtype: Of what type the parameters are.
        preactivation_clip: Bound of what every nonlinearity is given (ONNX's `clip`). Default: none.
        **options: What all layers have beyond `torch.nn`, explained at `LayerOptions`: initial_state, residual,
            recurrent_dropout, zoneout, weight_drop, init, kernel, precision, recompute.

    Raises:
        ConfigError: An argument's value is wrong; the message lists all that are.
        DtypeError: Only types of arguments are wrong.

    Example:
        >>> import torch
        >>> import unrolled
        >>> rnn = unrolled.RNN(7, 50, num_layers=2, batch_first=True)
        >>> x = torch.randn(32, 96, 7)  # 32 sequences of 96 steps with 7 features
        >>> output, h_n = rnn(x)
        >>> output.shape, h_n.shape
        (torch.Size([32, 96, 50]), torch.Size([2, 32, 50]))
    """

    kind: ClassVar[str] = "RNN"
    equations: ClassVar[type[RNNEquations]] = RNNEquations
    nonlinearity: Nonlinearity

    def __init__(
        self,
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int | None = None,
        nonlinearity: Nonlinearity = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float | int = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        preactivation_clip: float | None = None,
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
            cell_options={
                "bias": bias,
                "nonlinearity": nonlinearity,
                "preactivation_clip": preactivation_clip,
            },
            options=options,
        )
        self.mode = f"RNN_{self.nonlinearity.upper()}" if isinstance(self.nonlinearity, str) else "RNN"

    @overload
    def forward(self, x: PackedSequence, hx: Any = None, lengths: None = None) -> tuple[PackedSequence, Any]: ...

    @overload
    def forward(
        self, x: Float[Tensor, "*TN F"], hx: Any = None, lengths: Any = None
    ) -> tuple[Float[Tensor, "*TN D*H"], Any]: ...

    def forward(self, x: Any, hx: Any = None, lengths: Any = None) -> Any:
        """Run over whole sequences.

        Args:
            x: (T, N, F), or (N, T, F) with `batch_first`; (T, F) for one sequence; a PackedSequence, a list of (T, F)
                or a jagged nested tensor, which all come back as such.
            hx: The initial state h_0 (L·D, N, H), without N for one sequence; with a width per layer a tuple of
                (D, N, ·) tensors. Zeros by default.
            lengths: Valid steps of each sequence of a padded batch: a list or an int tensor, in any order; 0 is
                allowed. By default all steps are valid. Under `torch.compile` give a tensor: for each new list the
                layer is compiled anew.

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
            >>> rnn = unrolled.RNN(1, 4, bidirectional=True, batch_first=True)
            >>> output, h_n = rnn(torch.randn(3, 9, 1), lengths=[9, 2, 5])
            >>> output[1, 2:].abs().max().item()
            0.0
            >>> bool((h_n[0, 1] == output[1, 1, :4]).all())
            True
        """
        return self._run(x, hx, lengths)


class RNNCell(RecurrentCell):
    """One step of an RNN, with the arguments, parameters and results of `torch.nn.RNNCell`.

    Args:
        input_size: Features of the input (F).
        hidden_size: Hidden units (H).
        bias: Whether there are biases. Default: True.
        nonlinearity: "tanh", the default, "relu", or any other name, `Activation(name, alpha, beta)` or function.
        device: Where the parameters are made.
        dtype: Of what type the parameters are.
        preactivation_clip: As for `RNN`.
        init: As for `LayerOptions`.
        kernel: As for `LayerOptions`.

    Raises:
        ConfigError, DtypeError: As `RNN` does.

    Example:
        >>> import torch
        >>> import unrolled
        >>> h = unrolled.RNNCell(7, 50)(torch.randn(32, 7))
        >>> h.shape
        torch.Size([32, 50])
    """

    kind: ClassVar[str] = "RNNCell"
    equations: ClassVar[type[RNNEquations]] = RNNEquations

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: Nonlinearity = "tanh",
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        preactivation_clip: float | None = None,
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
            cell_options={
                "bias": bias,
                "nonlinearity": nonlinearity,
                "preactivation_clip": preactivation_clip,
            },
        )

    def forward(self, x: Any, hx: Any = None) -> Tensor:
        """Advance one step: x (N, F) and hx (N, H) to the new h (N, H); or all without N.

        Raises:
            ShapeError, DtypeError, KernelError: As `RNN` does.
        """
        new: Tensor = self._run(x, hx)
        return new
