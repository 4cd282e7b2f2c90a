"""Values that can't be used as the settings want to, named for the user."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from unrolled.data.panel import Panel
from unrolled.data.wording import point_text


def named(panel: Panel, wrong: Bool[np.ndarray, " P"]) -> str:
    """Return the first of the wrong values with its series and time, and how many there are besides.

    Of several targets the one is named too.

    Example:
        >>> import pandas as pd
        >>> from unrolled.data.table import read_panel
        >>> panel = read_panel(pd.DataFrame({"unique_id": ["a"] * 3, "ds": [1, 2, 3], "y": [4.0, -1.0, -2.0]}))
        >>> named(panel, panel.values < 0)
        "('a', 2) is -1 and 1 more is as wrong"
    """
    places = np.flatnonzero(wrong)
    first = places[0]
    series = int(np.searchsorted(panel.offsets, first, side="right")) - 1
    target = f"{panel.channels[series % len(panel.channels)]} of " if panel.channels else ""
    others = len(places) - 1
    more = f" and {others:,} more {'is' if others == 1 else 'are'} as wrong" if others else ""
    return f"{target}{point_text(panel.ids[series], panel.times[first])} is {panel.values[first]:g}{more}"
