"""LSTM, GRU and RNN as modules: the time loop's stacking, directions, raggedness and conversion."""

from .gru import GRU as GRU
from .gru import GRUCell as GRUCell
from .info import Info as Info
from .info import info as info
from .lstm import LSTM as LSTM
from .lstm import LSTMCell as LSTMCell
from .rnn import RNN as RNN
from .rnn import RNNCell as RNNCell
from .swap import replace as replace
from .swap import restore as restore
