"""Numba kernels that several steps share: arrays in, arrays out."""
