"""What a screen shows of a session's look: the chosen view of the chosen product, on a box.

`Request` says what is wanted, `picture` computes it; both know nothing of widgets, so that the
picture is made on any thread.
"""

from __future__ import annotations

import dataclasses as dc
import threading

import numpy as np

from jwinteractive.data import Array, Box
from jwinteractive.journal import Settings
from jwinteractive.masks import touched
from jwinteractive.params import Params
from jwinteractive.plan import Planned
from jwinteractive.recipe import Recipe
from jwinteractive.reduction import Glance
from jwinteractive.session import Session
from jwinteractive.step import registry
from jwinteractive.views import Drawing, Edit, Frame, Shown, View, product_views

__all__ = ["Picture", "Request", "box_in_view", "mended", "picture", "request_of", "views_at"]

MARGIN = 0.15  # of the viewport on each side that is computed too, for small drags
WHOLE = 512  # a frame of this size is computed whole, whatever part of it is in view


@dc.dataclass(frozen=True, kw_only=True)
class Request:
    """A picture that is wanted.

    Attributes
    ----------
    exposure, upto
        Which exposure, after which step.
    view
        Title of the view; "" is the first.
    integration, group
        From 0, -1 is the last.
    plane, planes
        Of a cube, as in `jwinteractive.look.Look`.
    box
        Pixels in view.
    knob
        Step whose knob turns.
    hold
        Older models will do.
    kept
        The finished result is at hand.
    cheap
        So is all else that it needs, for any box; or no box can be had for less than all.
    pinned, compare
        Settings to compare with, or None, and how.
    """

    exposure: int
    upto: str
    box: Box
    view: str = ""
    integration: int = 0
    group: int = -1
    plane: int = 0
    planes: tuple[int, int] | None = None
    knob: str = ""
    hold: bool = False
    kept: bool = False
    cheap: bool = False
    pinned: Settings | None = None
    compare: str = "off"

    def same_place(self, other: Request | None) -> bool:
        """Whether another picture shows the same thing, so that its cuts fit this one."""
        kind = ("exposure", "upto", "view")
        derived = ("difference", "ratio")
        return (
            other is not None
            and all(getattr(self, k) == getattr(other, k) for k in kind)
            and (self.compare if self.compare in derived else "")
            == (other.compare if other.compare in derived else "")
        )


@dc.dataclass(frozen=True, kw_only=True)
class Picture:
    """An answer to a request.

    Attributes
    ----------
    glance, other
        The box of the product, and the pinned one.
    shown
        What views are drawn from.
    frame, other_frame
        The image, and the pinned one.
    pair
        The image with the present settings and the pinned one, however they are compared; or None.
    drawing
        The chosen view where it is no image, else None.
    edit
        How the marks of the image are changed, as in `views.View`; None: they cannot be.
    failed
        Step that fails, so that the product before it is shown; "" if none does.
    part
        What it covers is less than was asked for: the rest follows.
    settings
        What it was computed with; None where they changed meanwhile.
    mended
        It is an earlier picture of which only what a mask touched was computed anew; ``glance`` and
        ``shown`` are of the earlier one.
    """

    request: Request
    glance: Glance
    shown: Shown
    frame: Frame
    drawing: Drawing | None = None
    other: Glance | None = None
    other_frame: Frame | None = None
    pair: tuple[Frame, Frame] | None = None
    edit: Edit | None = None
    failed: str = ""
    part: bool = False
    settings: Settings | None = None
    mended: bool = False

    @property
    def note(self) -> str:
        """Whether this is the full result or a preview, of what, and with which older models."""
        if self.request.upto == "input":
            words = ["as read"]
        else:
            words = ["full result" if self.glance.full else "preview"]
        if self.failed:
            words = [f"{words[0]} after {self.request.upto}", f"{self.failed} fails"]
        if self.frame.note:
            words.append(self.frame.note)
        if self.part:
            words.append("the rest follows")
        if self.glance.held:
            words.append(f"held from before: {', '.join(self.glance.held)}")
        return "; ".join(words)


def views_at(session: Session, upto: str, exposure: int | None = None) -> tuple[View, ...]:
    """All there is to see after a step; "input" is the file as it was read.

    Raises
    ------
    RecipeError
        If there is no such step.
    """
    if upto == "input":
        return product_views(type(session.input(exposure)))
    for p in session.plan(exposure=exposure):
        if p.step.name == upto:
            return p.step.views(None if p.skipped else p.takes)
    return registry[upto].views()


def box_in_view(
    window: tuple[float, float, float, float] | None,
    shape: tuple[int, int],
    margin: float = MARGIN,
) -> Box:
    """Pixels to compute for a viewport (x0, y0, x1, y1) with a margin; a small frame is whole."""
    whole = Box.whole(shape)
    if window is None or max(shape) <= WHOLE:
        return whole
    x0, y0, x1, y1 = window
    dx, dy = margin * (x1 - x0), margin * (y1 - y0)
    box = Box(int(y0 - dy), int(y1 + dy) + 1, int(x0 - dx), int(x1 + dx) + 1).clip(whole)
    return box if min(box.shape) > 0 else whole


def request_of(session: Session, knob: str = "", hold: bool = False) -> Request:
    """Return what the session's look asks for.

    Raises
    ------
    RecipeError, MissingReference
        As for `Session.plan`.
    """
    look = session.look
    plan = [p for p in session.plan() if not p.skipped]
    running = [p.step.name for p in plan]
    upto = look.shown or look.step
    if upto not in ("input", *running):
        upto = _nearest(upto, [s.step for s in session.recipe], running)
    views = views_at(session, upto)
    view = next((v for v in views if v.title == look.view), views[0])
    shape = session.input().shape
    full = session.is_kept(upto)
    pinned = session.pinned.settings if session.pinned and look.compare != "off" else None
    before = [*running, "input"][running.index(upto) - 1] if upto in running else "input"
    cheap = full and (
        pinned is None or session.is_kept(pinned.recipe.name_of(upto), settings=pinned)
    )
    if view.compares:
        # what a step took is seldom kept; computed for a whole frame it would let a person wait
        cheap = cheap and pinned is None and session.is_kept(before)
    if upto in running and any(p.step.whole for p in plan[: running.index(upto) + 1]):
        cheap = True  # of other axes there are no parts to begin with
    return Request(
        exposure=session.active,
        upto=upto,
        box=Box.whole(shape) if cheap else box_in_view(look.window, shape, 0.0 if knob else MARGIN),
        view="" if view is views[0] else view.title,
        integration=look.integration,
        group=look.group,
        plane=look.plane,
        planes=look.planes,
        knob=knob,
        hold=hold,
        kept=full,
        cheap=cheap,
        pinned=pinned,
        compare=look.compare if session.pinned else "off",
    )


def _nearest(name: str, recipe: list[str], running: list[str]) -> str:
    """The last running step at or before one that does not run; for none, the last of all."""
    if name not in recipe:
        return running[-1]
    earlier = [n for n in recipe[: recipe.index(name)] if n in running]
    return earlier[-1] if earlier else "input"


def _params(recipe: Recipe, name: str) -> Params | None:
    """Parameters of a step of a recipe; None for the file as it was read."""
    return next((s.params for s in recipe if s.step == name), None)


def _difference(frame: Frame, pinned: Frame) -> Frame:
    """B minus A, with the flags that one of them alone has."""
    data = np.subtract(frame.data, pinned.data, dtype=np.float32)
    flags = frame.dq
    if flags is not None and pinned.dq is not None:
        flags = flags ^ pinned.dq
    title = f"{frame.title}: B minus A"
    return dc.replace(
        frame, title=title, data=data, dq=flags, err=None, diverging=True, limits=None
    )


def _ratio(frame: Frame, pinned: Frame) -> Frame:
    data: Array = np.full(frame.data.shape, np.nan, np.float32)
    np.divide(frame.data, pinned.data, out=data, where=pinned.data != 0)
    title = f"{frame.title}: B over A"
    return dc.replace(frame, title=title, data=data, err=None, unit="", limits=None)


def _with_mask(session: Session, request: Request, frame: Frame) -> Frame:
    """A picture with the flags of the user's mask, where no step sets them: the file is past it."""
    e = request.exposure
    if any(p.step.name == "dq_init" and not p.skipped for p in session.plan(exposure=e)):
        return frame
    product, mask = session.input(e), session.mask(e)
    root = product.exposure.filename
    if not mask.key("pixels", root) or frame.full_shape != product.shape:
        return frame
    rows, columns = frame.covers.slices(Box.whole(product.shape))
    flags = mask.cut_to(product.exposure, product.shape).dq(root)[rows, columns]
    return dc.replace(frame, dq=flags if frame.dq is None else frame.dq | flags)


def _wide_glance(session: Session, request: Request, cancel: threading.Event | None) -> Glance:
    """All the pixels that those of a step's result depend on, before and after it."""
    r, source = request, session.input(request.exposure)
    p = next(p for p in session.plan(r.upto, r.exposure) if p.step.name == r.upto)
    box = p.step.context(source.exposure, p.stage.params, r.box, source.covers)
    return session.glance(
        box,
        r.upto,
        knob=r.upto,
        before=True,
        hold=r.hold,
        cancel=cancel,
        exposure=r.exposure,
    )


def _has_own_frame(session: Session, request: Request) -> bool:
    """Whether what a step gives is a picture of its own pixels, not of the detector's."""
    r = request
    plan = session.plan(exposure=r.exposure)
    return any(p.step.name == r.upto and p.step.filed and p.step.whole for p in plan)


_DERIVED = {"difference": _difference, "ratio": _ratio}


def picture(session: Session, request: Request, cancel: threading.Event | None = None) -> Picture:
    """Compute what a request asks for.

    Raises
    ------
    Cancelled, StepError, MissingReference, RecipeError
        One line each.
    """
    r, settings = request, session.settings
    views = views_at(session, r.upto, r.exposure)
    view = next((v for v in views if v.title == r.view), views[0])
    # first, so that the part in view is cut from it
    wide = _wide_glance(session, r, cancel) if view.wide else None
    glance = session.glance(
        r.box,
        r.upto,
        knob=r.knob,
        before=view.compares,
        hold=r.hold,
        cancel=cancel,
        exposure=r.exposure,
    )
    shape = session.input(r.exposure).shape
    if _has_own_frame(session, r):
        shape = glance.product.shape
    shown = Shown(
        after=glance.product,
        before=glance.before,
        model=glance.model,
        params=_params(session.recipe, r.upto),
        integration=r.integration,
        group=r.group,
        plane=r.plane,
        planes=r.planes,
        shape=shape,
    )
    around = shown
    if wide is not None:
        around = dc.replace(shown, after=wide.product, before=wide.before, model=wide.model)
    drawing = view.draw(around)
    image = view if isinstance(drawing, Frame) else views[0]
    frame = drawing if isinstance(drawing, Frame) else image.draw(shown)
    assert isinstance(frame, Frame)  # the first view of every product is one
    frame = _with_mask(session, r, frame)
    other = other_frame = None
    if r.pinned is not None:
        its = r.pinned.recipe.name_of(r.upto)
        other = session.glance(
            r.box,
            its,
            before=image.compares,
            settings=r.pinned,
            cancel=cancel,
            exposure=r.exposure,
        )
        drawn = image.draw(
            dc.replace(
                shown,
                after=other.product,
                before=other.before,
                model=other.model,
                params=_params(r.pinned.recipe, its),
            )
        )
        other_frame = _with_mask(session, r, drawn) if isinstance(drawn, Frame) else None
    pair = None if other_frame is None else (frame, other_frame)
    if other_frame is not None and r.compare in _DERIVED:
        frame, other_frame = _DERIVED[r.compare](frame, other_frame), None
    return Picture(
        request=request,
        glance=glance,
        shown=shown,
        frame=frame,
        drawing=None if isinstance(drawing, Frame) else drawing,
        other=other,
        other_frame=other_frame,
        pair=pair,
        edit=image.edit,
        settings=settings if session.settings is settings else None,
    )


def mended(
    session: Session, request: Request, earlier: Picture, cancel: threading.Event | None = None
) -> Picture | None:
    """Picture like an earlier one but for what the user's mask has touched since.

    Only these pixels, with the context that the steps need, are computed: a stroke is seen at once
    also on a full frame. Models are held as in any glance. None where it cannot be so.

    Raises
    ------
    Cancelled, StepError, MissingReference, RecipeError
        One line each.
    """
    r, settings, whole = request, session.settings, Box.whole(session.input(request.exposure).shape)
    if not _alike(r, earlier, settings):
        return None
    assert earlier.settings is not None  # checked by `_alike`
    product = session.input(r.exposure)
    was, now = (
        s.references.mask_for(product.exposure, product.shape) for s in (earlier.settings, settings)
    )
    pixels = touched(was, now)
    mask = now or was
    if pixels is None or mask is None:
        return None
    hull, frame = pixels.hull, earlier.frame
    plan = [p for p in session.plan(r.upto, r.exposure) if not p.skipped]
    root = product.exposure.filename
    said = [m and m.key("scene", root) for m in (was, now)]
    if (said[0] or "") != (said[1] or "") and any(_hears_of_scene(p) for p in plan):
        return None
    if hull is not None:
        y, x = mask.place_of(product.exposure)
        box = Box(hull.y0 - y, hull.y1 - y, hull.x0 - x, hull.x1 - x)
        for p in plan:
            box = p.step.affected(product.exposure, p.stage.params, box, whole)
        box = box.clip(frame.covers)
        if min(box.shape) > 0:
            if 2 * box.shape[0] * box.shape[1] > r.box.shape[0] * r.box.shape[1]:
                return None
            made = picture(session, dc.replace(r, box=box, knob="", hold=True), cancel)
            frame = _pasted(frame, made.frame)
            earlier = dc.replace(earlier, glance=dc.replace(earlier.glance, held=made.glance.held))
    return dc.replace(
        earlier,
        request=r,
        glance=dc.replace(earlier.glance, full=False),
        frame=frame,
        part=False,
        settings=settings if session.settings is settings else None,
        mended=True,
    )


def _hears_of_scene(p: Planned) -> bool:
    """Whether a step measures the whole exposure by what the user says of the scene."""
    asked = p.step.taught_by(p.stage.params)
    return any(p.step.needs[name].kind.from_mask == "scene" for name in asked)


def _alike(request: Request, earlier: Picture, settings: Settings) -> bool:
    """Whether an earlier picture would be this one but for the user's masks."""
    was, before = earlier.request, earlier.settings
    return (
        before is not None
        and earlier.drawing is None
        and request.pinned is None
        and was.pinned is None
        and not earlier.failed
        and request.same_place(was)
        and (request.integration, request.group) == (was.integration, was.group)
        and request.box in earlier.frame.covers
        and before.recipe == settings.recipe
        and before.references.differs_by_masks(settings.references)
    )


def _pasted(frame: Frame, part: Frame) -> Frame:
    """Frame with another over a box of it."""
    at = part.covers.slices(frame.covers)

    def over(old: Array | None, new: Array | None) -> Array | None:
        if old is None or new is None:
            return old
        made = old.copy()
        made[at] = new
        return made

    data = over(frame.data, part.data)
    assert data is not None  # both have values
    return dc.replace(frame, data=data, dq=over(frame.dq, part.dq), err=over(frame.err, part.err))
