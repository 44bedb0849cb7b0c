"""How an exposure is cut into strips."""

import numpy as np
import pytest

from jwinteractive import chain
from jwinteractive.data import Box, Ramp
from jwinteractive.testing import example_exposure


def ramp(nint, ngroup, ny, nx):
    """A ramp that takes no memory."""
    shape = (nint, ngroup, ny, nx)
    return Ramp(
        exposure=example_exposure(nints=nint, ngroups=ngroup),
        data=np.broadcast_to(np.float32(0), shape),
        groupdq=np.broadcast_to(np.uint8(0), shape),
        pixeldq=np.broadcast_to(np.uint32(0), shape[2:]),
    )


SHAPES = [(1, 2, 64, 64), (1, 10, 2048, 2048), (2, 20, 2048, 2048), (200, 8, 256, 2048)]


@pytest.mark.parametrize("shape", [*SHAPES, (1, 100, 2048, 2048), (1000, 1000, 64, 2048)])
def test_strips_tile_the_box_and_no_strip_is_large(shape):
    source = ramp(*shape)
    covers = source.covers
    for box in (covers, Box(3, covers.y1 - 2, 7, covers.x1 - 5)):
        strips = chain.strips_of(source, box, chain.strip_rows(source))
        seen = np.zeros(covers.shape, np.uint8)
        for strip in strips:
            seen[strip.y0 : strip.y1, strip.x0 : strip.x1] += 1
        rows, columns = box.slices(covers)
        assert (seen[rows, columns] == 1).all()
        assert seen.sum() == seen[rows, columns].size
        samples = 4 * shape[0] * shape[1]
        fewest = samples * chain.FEWEST_ROWS * 2 * chain.FEWEST_COLUMNS
        for strip in strips:
            size = samples * strip.shape[0] * strip.shape[1]
            assert size <= max(1.1 * chain.STRIP_BYTES, fewest)


def test_full_rows_stay_whole_where_they_fit():
    source = ramp(*SHAPES[1])
    strips = chain.strips_of(source, source.covers, chain.strip_rows(source))
    assert {(s.x0, s.x1) for s in strips} == {(0, 2048)}
