"""Figures for print, screen and page, each drawn from your own live model and tensors.

Every function returns a `Picture`, a matplotlib Figure: a notebook shows it, `savefig` writes it as PNG, SVG or PDF.
`width` is in inches. PyTorch is imported only where a live model is given; a saved trace is drawn without,
save by `memory` and `contributions`, which analyse it.

Example:
    >>> import numpy as np
    >>> from unrolled import figures
    >>> picture = figures.data_cube(np.zeros((4, 7, 3)))
    >>> picture.savefig("cube.svg")
"""

from unrolled.figures.batches import data_cube as data_cube
from unrolled.figures.batches import packing as packing
from unrolled.figures.batches import windows as windows
from unrolled.figures.inside import cell as cell
from unrolled.figures.inside import contributions as contributions
from unrolled.figures.inside import gates as gates
from unrolled.figures.inside import gradient_flow as gradient_flow
from unrolled.figures.inside import memory as memory
from unrolled.figures.layers import folded as folded
from unrolled.figures.layers import parameters as parameters
from unrolled.figures.layers import states as states
from unrolled.figures.layers import unrolled as unrolled
from unrolled.figures.layers import unrolled_network as unrolled_network
from unrolled.figures.models import head as head
from unrolled.figures.models import network as network
from unrolled.view.figures.forecast import forecast as forecast
