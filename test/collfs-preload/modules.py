"""Imports a package below a directory, after MPI has been started: modules.py START_LIBRARY DIRECTORY"""
import ctypes
import sys

mpi = ctypes.CDLL(sys.argv[1])
mpi.start()
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[2])
import package.first
import package.second

sys.stdout.write("sum %d\n" % (package.first.value + package.second.value))
sys.stdout.flush()
mpi.end()
