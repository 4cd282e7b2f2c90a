"""Ten thousand series: bounded memory, and nothing that is done row by row."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pyarrow as pa

from unrolled.data.table import read_panel


def test_memory_stays_in_proportion_to_the_points():
    series, length = 2_000, 250
    times = np.tile(np.datetime64("2024-01-01", "us") + np.arange(length) * np.timedelta64(1, "h"), series)
    rng = np.random.default_rng(0)
    order = rng.permutation(series * length)[: series * length * 9 // 10]
    table = pa.table(
        {
            "unique_id": np.repeat(np.arange(series), length)[order],
            "ds": times[order],
            "y": rng.normal(size=series * length)[order],
        }
    )
    tracemalloc.start()
    panel = read_panel(table)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(panel) == series
    # 1 GiB for ten million points is 107 bytes each, for numpy's arrays and Arrow's together.
    assert peak / (series * length) < 107


def test_a_polars_table_does_not_need_pandas():
    program = (
        "import sys; sys.modules['pandas'] = None\n"
        "import polars as pl, numpy as np\n"
        "from unrolled.data.table import read_panel\n"
        "from unrolled.data.frames import to_native\n"
        "p = read_panel(pl.DataFrame({'ds': [1, 2, 4], 'y': [1.0, 2.0, 3.0]}))\n"
        "print(to_native(p.table, {'ds': p.times, 'y': p.values}).shape)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("(4, 2)", "")
