"""What happened inside a layer, as numpy arrays with named axes; needs no PyTorch."""

from .named_array import Array as Array
from .named_array import NamedArray as NamedArray
from .trace import DIRECTIONS as DIRECTIONS
from .trace import DirectionTrace as DirectionTrace
from .trace import OutputPlace as OutputPlace
from .trace import StatePlace as StatePlace
from .trace import Trace as Trace
