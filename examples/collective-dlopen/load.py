"""Loads the modules of a directory and calls each: load.py DIRECTORY COUNT. Knows nothing of collfs."""

import ctypes
import sys

directory, count = sys.argv[1], int(sys.argv[2])
libraries = [ctypes.CDLL(f"{directory}/libmodule_{i:04d}.so") for i in range(1, count + 1)]
sys.stdout.write(f"sum {sum(library.entry() for library in libraries)}\n")  # in one piece, buffered or not
