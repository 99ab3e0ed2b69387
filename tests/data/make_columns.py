"""Makes the small Parquet and Arrow files of this folder, which the tests of src/data/readers/columns.rs read.

    python make_columns.py        (pandas 3.1.1, pyarrow 26.0.1 and polars 2.1.0 made those that are here)
"""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

here = Path(__file__).parent

texts = pd.DataFrame({"id": [1, 2, 3], "text": ["a film", "né", "x"], "label": ["good", "bad", "good"]})
texts.to_parquet(here / "texts.parquet", index=False)
texts.assign(label=texts.label.astype("category")).to_feather(here / "texts.feather")
pl.DataFrame({"text": ["a", None, "c"], "label": [[1, 2], [], [2]]}).write_parquet(here / "gaps.parquet")

series = [[1.0, 2.0, 3.0], [4.0], [5.0, 6.0]]
pd.DataFrame({"x": series, "label": [1, 2, 1]}).to_parquet(here / "lists.parquet", index=False)
pl.DataFrame({"x": series, "y": [[0, 1, 2], [3], [4, 5]], "label": ["a", "b", "a"]}).write_ipc(here / "channels.arrow", compression="lz4")
steps = [[[1.0, 10.0], [2.0, 20.0]], [[3.0, 30.0]]]
stream = pa.table({"x": pa.array(steps, pa.list_(pa.list_(pa.float32()))), "label": [True, False]})
with pa.OSFile(str(here / "steps.arrow"), "wb") as out, pa.ipc.new_stream(out, stream.schema) as writer:
    writer.write_table(stream)
pd.DataFrame(np.arange(6.0).reshape(2, 3), columns=["t0", "t1", "t2"]).assign(label=["a", "b"]).to_parquet(
    here / "wide.parquet", index=False
)
