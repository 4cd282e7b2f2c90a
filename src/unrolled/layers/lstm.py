"""LSTM and LSTMCell as modules; the equations are in `unrolled.cells.lstm`.

Shapes: T = time, N = batch, F = input_size, H = hidden_size, L = num_layers, D = directions,
S = proj_size or else H.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack, overload

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unrolled.cells import LSTMEquations, Nonlinearity
from unrolled.layers.one_step import RecurrentCell
from unrolled.layers.options import LayerOptions
from unrolled.layers.recurrent import RecurrentLayer


class LSTM(RecurrentLayer):
    """Long short-term memory, with the arguments, parameters and results of `torch.nn.LSTM`.

    Args:
        input_size: Features of the input (F).
        hidden_size: Hidden units (H) of every layer, or a list with one width a layer.
        num_layers: Stacked layers; 1 by default, or the length of the list that `hidden_size` is.
        bias: Whether the gates have biases. Default: True.
        batch_first: Whether input and output are (N, T, F) rather than (T, N, F). It says nothing of the
            states. Default: False.
        dropout: Probability of a zero in the outputs of every layer but the last, in training. Default: 0.
        bidirectional: Whether a second set of weights reads the sequences backwards. Default: False.
        proj_size: Size to which each output is projected (Sak et al. 2014); 0, the default, for none.
        device: Where the parameters are made.
        dtype: Of what type the parameters are.
        peephole: Whether the gates i and f see c_(t−1), and o sees c_t (Gers & Schmidhuber 2000). Default: False.
        layer_norm: Whether the products of x and of h, and c before its nonlinearity, are normalised over the units
            (Ba et al. 2016, equations 20 to 22). Default: False.
        coupled_gates: Whether i = 1 − f, so that the input gate has no weights (Greff et al. 2017). Default: False.
        cell_clip: Bound of c, as it is kept. Default: none.
        preactivation_clip: Bound of what the gates' nonlinearities are given (ONNX's `clip`). Default: none.
        activation: Nonlinearity of g and of c: a name, `Activation(name, alpha, beta)`, or a function of a tensor.
            Default: "tanh".
        recurrent_activation: That of the gates. Default: "sigmoid".
        forget_bias: What the biases of the forget gate add up to at first. Default: as `init` says.
        **options: What all layers have beyond `torch.nn`, explained at `LayerOptions`: initial_state, residual,
            recurrent_dropout, zoneout, weight_drop, init, kernel, precision, recompute.

    Raises:
        ConfigError: An argument's value is wrong; the message lists all that are.
        DtypeError: Only types of arguments are wrong.

    Example:
        >>> import torch
        >>> import unrolled
        >>> lstm = unrolled.LSTM(7, 50, num_layers=2, batch_first=True)
        >>> x = torch.randn(32, 96, 7)  # 32 sequences of 96 steps with 7 features
        >>> output, (h_n, c_n) = lstm(x)
        >>> output.shape, h_n.shape
        (torch.Size([32, 96, 50]), torch.Size([2, 32, 50]))
    """

    kind: ClassVar[str] = "LSTM"
    equations: ClassVar[type[LSTMEquations]] = LSTMEquations

    def __init__(
        self,
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int | None = None,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float | int = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        peephole: bool = False,
        layer_norm: bool = False,
        coupled_gates: bool = False,
        cell_clip: float | None = None,
        preactivation_clip: float | None = None,
        activation: Nonlinearity = "tanh",
        recurrent_activation: Nonlinearity = "sigmoid",
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
            cell_options={
                "bias": bias,
                "proj_size": proj_size,
                "peephole": peephole,
                "layer_norm": layer_norm,
                "coupled_gates": coupled_gates,
                "cell_clip": cell_clip,
                "preactivation_clip": preactivation_clip,
                "activation": activation,
                "recurrent_activation": recurrent_activation,
            },
            options=options,
            forget_bias=forget_bias,
        )
        self.mode = "LSTM"

    @overload
    def forward(
        self, x: PackedSequence, hx: Any = None, lengths: None = None
    ) -> tuple[PackedSequence, tuple[Any, Any]]: ...

    @overload
    def forward(
        self, x: Float[Tensor, "*TN F"], hx: Any = None, lengths: Any = None
    ) -> tuple[Float[Tensor, "*TN D*S"], tuple[Any, Any]]: ...

    def forward(self, x: Any, hx: Any = None, lengths: Any = None) -> Any:
        """Run over whole sequences.

        Args:
            x: (T, N, F), or (N, T, F) with `batch_first`; (T, F) for one sequence; a PackedSequence, a list of (T, F)
                or a jagged nested tensor, which all come back as such.
            hx: Initial states `(h_0, c_0)`, each (L·D, N, S) and (L·D, N, H), without N for one sequence; with
                a width per layer a tuple of (D, N, ·) tensors each. Zeros by default.
            lengths: Valid steps of each sequence of a padded batch: a list or an int tensor, in any order; 0 is
                allowed. By default all steps are valid. Under `torch.compile` give a tensor: for each new list the
                layer is compiled anew.

        Returns:
            `output, (h_n, c_n)`: output in the input's form with D·S features, 0 at padded steps; the states
            after each sequence's last valid step, in the form of hx.

        Raises:
            ShapeError: Shapes do not fit; the message lists all problems of the call.
            DtypeError: Only types, dtypes or devices do not fit.
            KernelError: The kernel chosen by name cannot run this call.

        Example:
            >>> import torch
            >>> import unrolled
            >>> lstm = unrolled.LSTM(1, 4, bidirectional=True, batch_first=True)
            >>> output, (h_n, c_n) = lstm(torch.randn(3, 9, 1), lengths=[9, 2, 5])
            >>> output[1, 2:].abs().max().item()
            0.0
            >>> bool((h_n[0, 1] == output[1, 1, :4]).all())
            True
        """
        return self._run(x, hx, lengths)


class LSTMCell(RecurrentCell):
    """One step of an LSTM, with the arguments, parameters and results of `torch.nn.LSTMCell`.

    Args:
        input_size: Features of the input (F).
        hidden_size: Hidden units (H).
        bias: Whether the gates have biases. Default: True.
        device: Where the parameters are made.
        dtype: Of what type the parameters are.
        peephole, layer_norm, coupled_gates, cell_clip, preactivation_clip: As for `LSTM`.
        activation, recurrent_activation, forget_bias: As for `LSTM`.
        init: As for `LayerOptions`.
        kernel: As for `LayerOptions`.

    Raises:
        ConfigError, DtypeError: As `LSTM` does.

    Example:
        >>> import torch
        >>> import unrolled
        >>> h, c = unrolled.LSTMCell(7, 50)(torch.randn(32, 7))
        >>> h.shape
        torch.Size([32, 50])
    """

    kind: ClassVar[str] = "LSTMCell"
    equations: ClassVar[type[LSTMEquations]] = LSTMEquations

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        peephole: bool = False,
        layer_norm: bool = False,
        coupled_gates: bool = False,
        cell_clip: float | None = None,
        preactivation_clip: float | None = None,
        activation: Nonlinearity = "tanh",
        recurrent_activation: Nonlinearity = "sigmoid",
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
            cell_options={
                "bias": bias,
                "peephole": peephole,
                "layer_norm": layer_norm,
                "coupled_gates": coupled_gates,
                "cell_clip": cell_clip,
                "preactivation_clip": preactivation_clip,
                "activation": activation,
                "recurrent_activation": recurrent_activation,
            },
            forget_bias=forget_bias,
        )

    def forward(self, x: Any, hx: Any = None) -> tuple[Tensor, Tensor]:
        """Advance one step: x (N, F) and hx `(h, c)`, each (N, H), to the new `(h, c)`; or all without N.

        Raises:
            ShapeError, DtypeError, KernelError: As `LSTM` does.
        """
        new: tuple[Tensor, Tensor] = self._run(x, hx)
        return new
