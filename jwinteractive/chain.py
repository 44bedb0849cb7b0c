"""A chain of steps with their references and models, run on a box or streamed over an exposure.

Previews, full runs and measurements all go through `run_box`: what a preview shows is what the
full run computes.
"""

from __future__ import annotations

import contextlib
import dataclasses as dc
import functools
import itertools
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from jwinteractive.data import Box, Exposure, Product
from jwinteractive.errors import Cancelled, JwinteractiveError, StepError
from jwinteractive.pages import release
from jwinteractive.params import Params
from jwinteractive.references import Reference
from jwinteractive.step import Model, Step
from jwinteractive.store import Draft, Store

__all__ = [
    "Link",
    "Progress",
    "errors_of",
    "run_box",
    "run_strip",
    "stream",
    "strip_rows",
    "strips_of",
    "wide_box",
]

STRIP_BYTES = 8 * 2**20  # of float32 samples: half a core's share of a usual last cache
FEWEST_ROWS, MOST_ROWS = 16, 128
FEWEST_COLUMNS = 64
_EVEN = 128  # lines of which strips of whole lines are multiples where they need context


@dc.dataclass(frozen=True)
class Link:
    """One step ready to run."""

    step: Step
    params: Params
    references: Mapping[str, Reference | None]
    model: Model | None = None

    def __call__(self, product: Product) -> Product:
        """Run the step; a failure names the step and its parameters.

        Raises
        ------
        StepError
            If the step fails.
        """
        changed = ", ".join(f"{k}={v!r}" for k, v in self.params.changed().items())
        setting = f" with {changed}" if changed else ""
        with errors_of(self.step.name, f"{self.step.name}{setting} failed"):
            return self.step(product, self.params, self.references, self.model)


@contextlib.contextmanager
def errors_of(step: str, what: str) -> Iterator[None]:
    """Let errors say which step they are of; any that is not ours becomes a StepError."""
    try:
        yield
    except JwinteractiveError as error:
        error.step = error.step or step
        raise
    except Exception as error:
        failure = StepError(f"{what}: {type(error).__name__}: {error}")
        failure.step = step
        raise failure from error


@dc.dataclass(frozen=True)
class Progress:
    """How far a run is: strips done of all, seconds so far and left.

    With ``step``, which is about to run on the whole of ``name``, or of a set, in a process of its
    own, ``done`` and ``total`` count such steps; ``left`` is NaN as long as nothing tells.
    """

    name: str
    done: int
    total: int
    seconds: float
    left: float
    step: str = ""


def wide_box(steps: Sequence[tuple[Step, Params]], exposure: Exposure, box: Box, frame: Box) -> Box:
    """Pixels of a frame that those of a box depend on at the end of some steps."""
    for step, params in reversed(steps):
        box = step.context(exposure, params, box, frame)
    return box


def run_box(
    source: Product,
    links: Sequence[Link],
    box: Box,
    seen: Callable[[Link, Product, float], None] | None = None,
) -> Product:
    """Bring the pixels of a box through the chain; equal to the same box of a full run.

    Of a step that gives other axes the result is whole. ``seen`` is told each link's result (on the
    box with its context) and its seconds.
    """
    product = source.crop(_wide(source, links, box)).native()
    for link in links:
        began = time.perf_counter()
        product = link(product)
        if seen is not None:
            seen(link, product, time.perf_counter() - began)
    return product if _turns(links) < len(links) else product.crop(box)


def _turns(links: Sequence[Link]) -> int:
    """Number of the first step that gives other axes than the detector's; else of all steps."""
    return next((i for i, link in enumerate(links) if link.step.whole), len(links))


def run_strip(
    source: Product,
    links: Sequence[Link],
    box: Box,
    seen: Callable[[Link, Product, float], None] | None = None,
) -> Product:
    """`run_box` for one box of many: the mapped files behind it do not pile up in memory."""
    raw = source.arrays().values()

    def let_go(link: Link, product: Product, spent: float) -> None:
        used = (ref.arrays().values() for ref in link.references.values() if ref is not None)
        release(itertools.chain(raw, *used))
        if seen is not None:
            seen(link, product, spent)

    return run_box(source, links, box, let_go)


def _wide(source: Product, links: Sequence[Link], box: Box) -> Box:
    steps = [(link.step, link.params) for link in links]
    return wide_box(steps, source.exposure, box, source.covers)


def strip_rows(source: Product) -> int:
    """Rows of a strip whose samples fit a core's cache."""
    row = _pixel_bytes(source) * source.shape[1]
    return max(FEWEST_ROWS, min(MOST_ROWS, STRIP_BYTES // row))


def strips_of(source: Product, box: Box, rows: int, links: Sequence[Link] = ()) -> list[Box]:
    """Cut a box into strips of ``rows``; into pieces of them where even few rows are too large.

    Where steps need whole lines, strips are of lines, be they columns, and enough of them that most
    of what is computed is not for context alone.
    """
    if any(link.step.around for link in links):
        middle = Box.around((box.y0 + box.y1) // 2, (box.x0 + box.x1) // 2)
        tall, wide = _wide(source, links, middle).shape
        if wide == source.shape[1]:
            return list(box.strips(_lines(rows, tall)))
        if tall == source.shape[0]:
            size = _lines(rows, wide)
            starts = range(box.x0, box.x1, size)
            return [dc.replace(box, x0=x, x1=min(x + size, box.x1)) for x in starts]
    most = STRIP_BYTES // (_pixel_bytes(source) * rows)
    pieces = -(-box.shape[1] // max(FEWEST_COLUMNS, most))
    edges = [box.x0 + box.shape[1] * i // pieces for i in range(pieces + 1)]
    return [
        dc.replace(strip, x0=x0, x1=x1)
        for strip in box.strips(rows)
        for x0, x1 in itertools.pairwise(edges)
    ]


def _lines(lines: int, needed: int) -> int:
    """Lines of a strip of which one needs so many: not fewer than are computed for their sake."""
    return (
        max(lines, needed - 1) if needed < FEWEST_ROWS else -(-max(lines, needed) // _EVEN) * _EVEN
    )


def _pixel_bytes(source: Product) -> int:
    """Bytes of the float32 samples of a pixel."""
    return 4 * max(a.size for a in source.arrays().values()) // math.prod(source.shape)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def stream(
    source: Product,
    links: Sequence[Link],
    open_draft: Callable[[Product, Box], Draft],
    *,
    box: Box | None = None,
    rows: int = 0,
    name: str = "",
    threads: int = 0,
    report: Callable[[Progress], None] | None = None,
    cancel: threading.Event | None = None,
) -> tuple[Product, dict[str, float]]:
    """Run the chain over a whole exposure, strip by strip in threads.

    Parameters
    ----------
    open_draft
        Makes the room for the result from its first strip and what the whole covers.
    box
        Part of the exposure to compute; by default all that the source covers.
    rows
        Of a strip; by default as many as fit a core's cache.
    name, report
        Called in the calling thread after each strip.
    threads
        How many; 0 takes all cores. Numbers do not depend on it.
    cancel
        Set it to stop after the strips in work.

    Returns
    -------
    tuple
        The result, and the seconds spent in each step, added up over the threads.

    Raises
    ------
    Cancelled
        With what is finished kept in the draft.
    StepError
        If a step fails.
    """
    turn = _turns(links)
    if turn < len(links):
        return _stream_whole(source, links, turn, open_draft, rows, name, threads, report, cancel)
    began = time.perf_counter()
    goal = box or source.covers
    strips = strips_of(source, goal, rows or strip_rows(source), links)
    seconds = dict.fromkeys([link.step.name for link in links], 0.0)
    guard = threading.Lock()
    drafts: list[Draft] = []  # one, from the first finished strip on
    already = 0

    def clock(link: Link, product: Product, spent: float) -> None:
        with guard:
            seconds[link.step.name] += spent

    def work(strip: Box) -> None:
        nonlocal already
        product = run_strip(source, links, strip, clock)
        with guard:
            if not drafts:
                drafts.append(open_draft(product, goal))
                already = len(drafts[0].done.intersection(strips))
        drafts[0].fill(product)

    def tell(done: int) -> None:
        if report is not None:
            spent = time.perf_counter() - began
            left = spent / max(done - already, 1) * (len(strips) - done)
            report(Progress(name, done, len(strips), spent, left))

    threads = threads or cores()
    pending: set[Future[None]] = set()
    queue = iter(strips)
    done = 0
    try:
        with ThreadPoolExecutor(threads, thread_name_prefix="strip") as pool:
            while True:
                stop = cancel is not None and cancel.is_set()
                # what a draft holds is known when it is open: until then a strip for each thread
                while not stop and len(pending) < (2 if drafts else 1) * threads:
                    strip = next((s for s in queue if not (drafts and s in drafts[0].done)), None)
                    if strip is None:
                        break
                    pending.add(pool.submit(work, strip))
                if not pending:
                    break
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                done = len(drafts[0].done.intersection(strips))
                tell(done)
        if done < len(strips):
            raise Cancelled(
                f"{name or 'run'}: cancelled after {done} of {len(strips)} strips; "
                "what is finished is kept"
            )
        return drafts[0].finish(), seconds
    finally:
        for draft in drafts:
            draft.close()


def _stream_whole(
    source: Product,
    links: Sequence[Link],
    turn: int,
    open_draft: Callable[[Product, Box], Draft],
    rows: int,
    name: str,
    threads: int,
    report: Callable[[Progress], None] | None,
    cancel: threading.Event | None,
) -> tuple[Product, dict[str, float]]:
    """`stream` with a step, number ``turn``, that takes a product whole and gives other axes."""
    seconds: dict[str, float] = {}
    taken = source
    if turn:
        taken, seconds = stream(
            source,
            links[:turn],
            functools.partial(Store().draft, "taken"),
            rows=rows,
            name=name,
            threads=threads,
            report=report,
            cancel=cancel,
        )
    if cancel is not None and cancel.is_set():
        raise Cancelled(f"{name or 'run'}: cancelled before {links[turn].step.name}")
    product = taken.native()
    for link in links[turn:]:
        began = time.perf_counter()
        product = link(product)
        seconds[link.step.name] = time.perf_counter() - began
    draft = open_draft(product, product.covers)
    try:
        draft.fill(product)
        return draft.finish(), seconds
    finally:
        draft.close()
