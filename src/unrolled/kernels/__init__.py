"""Implementations of one layer's time loop, and the choice among them."""

from .kernel import Call as Call
from .kernel import Kernel as Kernel
from .kernel import Noise as Noise
from .kernel import Options as Options
from .kernel import Run as Run
from .native_draw import draw_held as draw_held
from .native_library import native_state as native_state
from .ragged import Ragged as Ragged
from .registry import KERNELS as KERNELS
from .registry import choose as choose
from .registry import explain as explain
from .registry import kernel_names as kernel_names
