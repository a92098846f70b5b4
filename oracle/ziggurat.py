#!/usr/bin/env python3
"""Write NumPy's tables of the ziggurat: ziggurat.py envs/src/numpy/ziggurat.bin

NumPy's tables are rounded differently from what their definition gives in double precision, so that the numbers
themselves are needed. NumPy ships them in its static library for C programs.
"""
import pathlib
import struct
import sys

import numpy

RIGHTMOST = 3.6541528853610088  # where the tail begins
library = (pathlib.Path(numpy.__file__).parent / "random/lib/libnpyrandom.a").read_bytes()


def table(form, fits):
    """The 256 entries of eight bytes whose first, second and last are as expected."""
    found = set()
    for start in range(len(library) - 2048):
        first, second = struct.unpack_from(f"<2{form}", library, start)
        last = struct.unpack_from(f"<{form}", library, start + 2040)[0]
        if fits(first, second, last):
            found.add(struct.unpack_from(f"<256{form}", library, start))
    (entries,) = found
    return entries


right = table("d", lambda first, second, last: 3.9 < first * 2**52 < 4 and last == RIGHTMOST / 2**52)
height = table("d", lambda first, second, last: first == 1.0 and 0.97 < second < 0.98 and 0 < last < 0.002)
inside = table("Q", lambda first, second, last: first == int(RIGHTMOST / (right[0] * 2**52) * 2**52) and second == 0)
tables = struct.pack("<512d", *(x * 2**52 for x in right), *height) + struct.pack("<256Q", *inside)
pathlib.Path(sys.argv[1]).write_bytes(tables)
