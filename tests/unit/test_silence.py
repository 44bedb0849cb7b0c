"""Silence about warnings, kept by several threads at once."""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from jwinteractive.flicker.background import mesh
from jwinteractive.silence import silence


def test_the_first_to_leave_does_not_end_the_silence_of_another():
    before = list(warnings.filters)
    entered, left = threading.Event(), threading.Event()

    def first():
        with silence():
            entered.set()
            second.wait(10)
        left.set()

    second = threading.Event()
    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(10)
    with silence():
        second.set()
        assert left.wait(10)
        warnings.warn("nobody hears this", UserWarning, stacklevel=1)
    thread.join()
    assert list(warnings.filters) == before


def test_the_last_to_leave_puts_back_what_was_there_before_the_first():
    before = list(warnings.filters)
    outer, inner = silence(), silence()
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    inner.__exit__(None, None, None)
    assert list(warnings.filters) == before
    with pytest.raises(UserWarning, match="heard again"):
        warnings.warn("heard again", UserWarning, stacklevel=1)


def test_an_error_ends_the_silence():
    before = list(warnings.filters)
    with pytest.raises(ValueError, match="mine"), silence():
        raise ValueError("mine")
    assert list(warnings.filters) == before


def test_meshes_are_fitted_side_by_side_without_a_warning():
    image = np.random.default_rng(1).normal(5, 1, (32, 64)).astype(np.float32)
    free = np.ones(image.shape, bool)
    free[:4, :4] = False
    image[~free] = np.nan
    before = list(warnings.filters)
    with silence(), ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: mesh(image, free, (4, 4)), range(64)))
    assert all(f is not None and np.isfinite(f[0]).all() for f in found)
    assert list(warnings.filters) == before
