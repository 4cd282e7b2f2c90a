"""The equations of each cell, one step at a time, in plain PyTorch: the definition of right."""

from .activations import Activation as Activation
from .activations import Nonlinearity as Nonlinearity
from .cell import Cell as Cell
from .cell import Gates as Gates
from .cell import State as State
from .gru import GRUEquations as GRUEquations
from .gru import GRUWeights as GRUWeights
from .lstm import LSTMEquations as LSTMEquations
from .lstm import LSTMWeights as LSTMWeights
from .rnn import RNNEquations as RNNEquations
from .rnn import RNNWeights as RNNWeights
from .slstm import SLSTMEquations as SLSTMEquations
from .slstm import SLSTMWeights as SLSTMWeights
