"""LSTM, GRU and RNN as modules: the time loop's stacking, directions, raggedness and conversion."""

from .cell_stack import Stack as Stack
from .gru import GRU as GRU
from .gru import GRUCell as GRUCell
from .info import Info as Info
from .info import info as info
from .initial_state import InitialStateFromInput as InitialStateFromInput
from .lstm import LSTM as LSTM
from .lstm import LSTMCell as LSTMCell
from .options import LayerOptions as LayerOptions
from .pool import pool as pool
from .pool_modules import AdditiveScore as AdditiveScore
from .pool_modules import Pool as Pool
from .rnn import RNN as RNN
from .rnn import RNNCell as RNNCell
from .sequences import pad as pad
from .sequences import unpad as unpad
from .slstm import SLSTM as SLSTM
from .slstm import SLSTMCell as SLSTMCell
from .streaming import Stream as Stream
from .swap import replace as replace
from .swap import restore as restore
