"""Small symmetric normal equations, solved where their matrix can be inverted."""

from __future__ import annotations

from typing import Any

from numba import njit

__all__ = ["CONDITION", "inverted"]

CONDITION = 1e10
"""Condition of a matrix from which on it counts as singular; the official limit."""


@njit(cache=True, nogil=True, error_model="numpy")
def inverted(matrix: Any, inverse: Any) -> bool:
    """Fill ``inverse`` with that of ``matrix`` [n, n], which is used up; whether there is one.

    The condition is that of the Frobenius norm, 1 to n times the usual one. Without an inverse
    all of it is 0.
    """
    n = matrix.shape[0]
    norm = 0.0
    for i in range(n):
        for j in range(n):
            norm += matrix[i, j] * matrix[i, j]
            inverse[i, j] = 1.0 if i == j else 0.0
    good = norm > 0
    for i in range(n):
        top = i
        for r in range(i + 1, n):
            if abs(matrix[r, i]) > abs(matrix[top, i]):
                top = r
        pivot = matrix[top, i]
        if not abs(pivot) > 0:
            good = False
            break
        for j in range(n):
            matrix[i, j], matrix[top, j] = matrix[top, j], matrix[i, j]
            inverse[i, j], inverse[top, j] = inverse[top, j], inverse[i, j]
        for j in range(n):
            matrix[i, j] /= pivot
            inverse[i, j] /= pivot
        for r in range(n):
            if r != i:
                share = matrix[r, i]
                for j in range(n):
                    matrix[r, j] -= share * matrix[i, j]
                    inverse[r, j] -= share * inverse[i, j]
    if good:
        other = 0.0
        for i in range(n):
            for j in range(n):
                other += inverse[i, j] * inverse[i, j]
        good = norm * other < CONDITION * CONDITION
    if not good:
        inverse[:] = 0.0
    return good
