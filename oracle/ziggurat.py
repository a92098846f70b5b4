#!/usr/bin/env python3
"""Print NumPy's tables of the ziggurat as Rust: what envs/src/numpy/ziggurat.rs holds.

NumPy's tables are rounded differently from what their definition gives in double precision, so that the numbers
themselves are needed. NumPy ships them in its static library for C programs.
"""
import pathlib
import struct

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


def show(name, meaning, kind, entries):
    print(f"\n/// {meaning}\n#[rustfmt::skip]\npub(super) static {name}: [{kind}; 256] = [")
    for at in range(0, 256, 4):
        print("    " + ", ".join(entries[at : at + 4]) + ",")
    print("];")


right = table("d", lambda first, second, last: 3.9 < first * 2**52 < 4 and last == RIGHTMOST / 2**52)
height = table("d", lambda first, second, last: first == 1.0 and 0.97 < second < 0.98 and 0 < last < 0.002)
inside = table("Q", lambda first, second, last: first == int(RIGHTMOST / (right[0] * 2**52) * 2**52) and second == 0)
print("//! Tables of the ziggurat for the standard normal distribution (Marsaglia and Tsang 2000), with NumPy's rounding;")
print("//! written by `oracle/ziggurat.py`.")
show("RIGHT", "Right end of each layer; of the lowest one, that of a rectangle of its area.", "f64", [repr(x * 2**52) for x in right])
show("HEIGHT", "The density, scaled to 1 at 0, at each right end.", "f64", [repr(x) for x in height])
show("INSIDE", "Below this of 2⁵² parts of a layer's width, the density is above the whole layer.", "u64", [f"{x:#x}" for x in inside])
