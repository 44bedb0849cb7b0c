"""What ``jwinteractive bench viewer knob mask_stroke`` shows and turns, on the kernel's side."""

from __future__ import annotations

import dataclasses as dc
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import jwinteractive
from jwinteractive.data import Array
from jwinteractive.masks.shapes import Line
from jwinteractive.official.steps import official_steps
from jwinteractive.recipe import Recipe
from jwinteractive.session import Session
from jwinteractive_widgets.drawing import Drawn

__all__ = ["VIEWERS", "Easel", "Sent", "Viewer", "edits", "officials", "pictures", "reduced"]

DARK, BRIGHT, NOISE = 0.2, 0.8, 0.04  # of the cuts, which are 0 and 1
HOT = 0.01  # share of the pixels under a mask
LAYERS = (
    {"bit": 2, "name": "drawn", "colour": "#ffffff", "opacity": 1.0},
    {"bit": 1, "name": "hot", "colour": "#ff0000", "opacity": 0.8},
)


class Sent:
    """Bytes and messages that widgets send to the browser, from when it is made."""

    def __init__(self) -> None:
        from ipykernel.comm import comm as kernel

        self.bytes = self.messages = 0
        sender: Any = kernel.BaseComm
        publish = sender.publish_msg

        def counted(
            comm: Any, kind: str, data: Any = None, metadata: Any = None,
            buffers: Any = None, **keys: Any,
        ) -> None:  # fmt: skip
            self.messages += 1
            self.bytes += len(repr(data)) + sum(memoryview(b).nbytes for b in buffers or ())
            publish(comm, kind, data, metadata, buffers, **keys)

        sender.publish_msg = counted  # for good: a kernel of a benchmark ends with it

    def take(self) -> int:
        """Bytes since the last time."""
        taken, self.bytes = self.bytes, 0
        return taken


def pictures(n: int) -> list[Array]:
    """Four dark and four bright noisy frames [n, n], in turn; no two alike."""
    noise = np.random.default_rng(1)
    return [
        noise.normal(BRIGHT if i % 2 else DARK, NOISE, (n, n)).astype(np.float32) for i in range(8)
    ]


@dc.dataclass
class Viewer:
    """A viewer under test.

    Attributes
    ----------
    widget
        What is displayed.
    show
        Shows a picture [n, n].
    stretch
        Chooses the linear (False) or the logarithmic stretch (True), where it can.
    """

    widget: Any
    show: Callable[[Array], Any]
    pictures: list[Array]
    stretch: Callable[[bool], Any] | None = None

    def turn(self, i: int) -> float:
        """Show the i-th picture; return when that began, in milliseconds."""
        picture = self.pictures[i % len(self.pictures)]
        began = time.time()
        self.show(picture)
        return 1000 * began

    def set_stretch(self, log: bool) -> float:
        """Choose the stretch; return when that began, in milliseconds."""
        assert self.stretch is not None
        began = time.time()
        self.stretch(log)
        return 1000 * began


def ours(n: int) -> Viewer:
    """Our canvas."""
    from jwinteractive.views import Frame
    from jwinteractive_widgets.frame import FrameView

    view = FrameView(masks=[], stretch="linear")
    made = pictures(n)
    dq = np.zeros((n, n), np.uint32)

    def show(picture: Array) -> None:
        view.show(Frame(title="picture", data=picture, dq=dq), limits=(0.0, 1.0))

    show(made[0])
    return Viewer(
        view, show, made, lambda log: setattr(view, "stretch", "log" if log else "linear")
    )


def image_gl(n: int) -> Viewer:
    """ImageGL of bqplot-image-gl, in a figure that pans and zooms."""
    import bqplot as bq
    from bqplot_image_gl import ImageGL

    made = pictures(n)
    scales = {"x": bq.LinearScale(min=0, max=n), "y": bq.LinearScale(min=0, max=n)}
    colours = bq.ColorScale(min=0.0, max=1.0, scheme="Greys", colors=["#000000", "#ffffff"])
    image = ImageGL(image=made[0], scales={**scales, "image": colours}, x=[0, n], y=[0, n])
    figure = bq.Figure(
        marks=[image],
        interaction=bq.PanZoom(scales={"x": [scales["x"]], "y": [scales["y"]]}),
        fig_margin={"top": 0, "bottom": 0, "left": 0, "right": 0},
        layout={"width": "560px", "height": "560px"},
    )
    return Viewer(figure, lambda picture: setattr(image, "image", picture), made)


def glue(n: int) -> Viewer:
    """Image viewer of glue-jupyter."""
    import bqplot as bq
    from glue.core import Data
    from glue_jupyter import jglue

    made = pictures(n)
    data = Data(label="frame", flux=made[0])
    app = jglue()
    app.add_data(data)
    viewer = app.imshow(data=data, show=False)
    layer = viewer.layers[0].state
    layer.v_min, layer.v_max = 0.0, 1.0
    figure = viewer.figure
    figure.layout.width = figure.layout.height = "560px"
    figure.interaction = bq.PanZoom(scales={"x": [viewer.scale_x], "y": [viewer.scale_y]})
    name = data.id["flux"]

    def show(picture: Array) -> None:
        data.update_components({name: picture})
        viewer.layers[0].update()  # at once; by itself it follows half a second later

    return Viewer(figure, show, made)


VIEWERS: dict[str, Callable[[int], Viewer]] = {"ours": ours, "ImageGL": image_gl, "glue": glue}


class Easel:
    """A dark frame [n, n] under a mask of hot pixels; what is drawn there becomes bright.

    Attributes
    ----------
    widget
        What is displayed.
    """

    def __init__(self, n: int, brush: int) -> None:
        from jwinteractive.views import Frame
        from jwinteractive_widgets.frame import FrameView

        rng = np.random.default_rng(1)
        self._hot = np.where(rng.random((n, n)) < HOT, np.uint32(1), np.uint32(0))
        self.widget = FrameView(
            masks=[], stretch="linear", drawing=True, tool="brush", brush=brush, on_draw=self.take
        )
        self.widget.show(Frame(title="picture", data=pictures(n)[0]), limits=(0.0, 1.0))
        self.wipe()

    def take(self, stroke: Drawn) -> None:
        """Put a finished stroke into the mask."""
        if not stroke.rest or not stroke.points:
            return
        shape = self._hot.shape
        mask = Line(stroke.points, stroke.size).select((shape[0], shape[1])).mask()
        self._show(np.where(mask, self._hot | np.uint32(2), self._hot), stroke.stroke)

    def wipe(self) -> None:
        """Leave the hot pixels alone."""
        self._show(self._hot)

    def turn(self, bright: bool) -> float:
        """Mask everything brightly, or nothing but the hot pixels; return when that began, ms."""
        plane = self._hot | np.uint32(2) if bright else self._hot
        began = time.time()
        self._show(plane)
        return 1000 * began

    def _show(self, plane: Array, answers: int | None = None) -> None:
        self.widget.show_overlay(plane, LAYERS, answers=answers)


edits: list[str] = []
"""What changed in the session that `reduced` gave last."""


def reduced(path: str, window: tuple[float, float, float, float]) -> Session:
    """A session on an exposure that was run to its end and looks at a window of the rate."""
    session = jwinteractive.open(path)
    session.run()
    session.see(step="jump", shown="ramp_fit", window=window)
    edits.clear()
    session.changed.connect(lambda name: edits.append(name))
    return session


def officials(path: str) -> Session:
    """A session with every official step in its recipe, of which only one runs."""
    recipe = Recipe.of(*official_steps())
    stages = [dc.replace(s, enabled=s.step == "official_dq_init") for s in recipe]
    return jwinteractive.open(path, dc.replace(recipe, stages=tuple(stages)))
