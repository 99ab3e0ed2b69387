"""Makes the small NumPy files of this folder, which the tests of src/data read.

    python make_arrays.py        (NumPy 2.4.6 made those that are here)
"""

from pathlib import Path

import numpy as np

here = Path(__file__).parent


def member(rows, steps, width):
    """Numbers that tell their place: 100 row + 10 step + column."""
    at = np.indices((rows, steps, width))
    return 100 * at[0] + 10 * at[1] + at[2]


x = member(3, 4, 2)
np.save(here / "x_f4.npy", x.astype("<f4"))
np.save(here / "x_f8_fortran.npy", np.asfortranarray(x.astype("<f8")))
np.save(here / "x_i2_big_endian.npy", x[:, :, 0].astype(">i2"))
np.save(here / "y_integers.npy", np.array([7, -1, 7]))
np.save(here / "y_names.npy", np.array(["ja", "né", "ja"]))
np.save(here / "y_bytes.npy", np.array([b"ja", b"no", b"ja"]))
np.save(here / "y_floats.npy", np.array([0.5, -1.0, 2.0]))
np.save(here / "y_several.npy", np.array([[0, 1], [1, 1], [0, 0]], dtype="u1"))

# What lies behind a sequence's length is NaN, and must not be read.
lengths = np.array([4, 1, 2])
padded = np.where(np.arange(4)[None, :, None] < lengths[:, None, None], x, np.nan)
np.savez(here / "ragged.npz", x=padded.astype("<f4"), y=np.array(["a", "b", "a"]), lengths=lengths)
np.savez_compressed(here / "packed.npz", x=x.astype("u1"), y=np.array([[0.5, 1.5]] * 3, dtype="<f4"))
