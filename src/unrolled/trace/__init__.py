"""What happened inside a layer, as numpy arrays with named axes; needs no PyTorch."""

from .analyses import Analysis as Analysis
from .analyses import Head as Head
from .analyses import HeadKind as HeadKind
from .analyses import HeadLayer as HeadLayer
from .analyses import PartValues as PartValues
from .model import Block as Block
from .model import PartWeights as PartWeights
from .model import Recorded as Recorded
from .model import Recurrent as Recurrent
from .model import Role as Role
from .named_array import Array as Array
from .named_array import NamedArray as NamedArray
from .trace import DIRECTIONS as DIRECTIONS
from .trace import DirectionTrace as DirectionTrace
from .trace import OutputPlace as OutputPlace
from .trace import StatePlace as StatePlace
from .trace import Trace as Trace
