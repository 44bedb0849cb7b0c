"""The panel "take it home": products, the session, what repeats it, and other programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from jwinteractive.data import Product, Ramp, RateInts
from jwinteractive.errors import AlreadyThere, JwinteractiveError, OutputError
from jwinteractive.export import write_notebook, write_recipe, write_script
from jwinteractive.io import root_name
from jwinteractive.saved import SESSION_FILE
from jwinteractive_widgets import handover
from jwinteractive_widgets.background import Background

if TYPE_CHECKING:
    from jwinteractive.session import Session

__all__ = ["TAKEHOME_CSS", "TakeHome"]

TAKEHOME_CSS = Path(__file__).parent / "static" / "takehome.css"

PRODUCTS = "products"  # folder for products, unless somebody says another
Act = Callable[[], Sequence[Path]]


class TakeHome(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Writes what a session made and how, and hands products over to other programs.

    Parameters
    ----------
    session
        What is taken home.
    background
        Where it is done, by default off the kernel's loop; not one whose work may be dropped for
        newer work.
    upto
        Says which step's product is shown. By default that of the last of the recipe.
    say
        Is told in plain text what was done or why not, beside the panel itself.
    hand_over
        Brings calls of the front end to the kernel's loop; by default that of ``background``.
    place
        Box that other programs open in: give one with width. By default one below the panel.

    Attributes
    ----------
    folder, overwrite, every, shown
        Where to, whether files may be replaced, whether products of all exposures are meant, and
        whether those of the shown step rather than of the last.
    buttons
        By what they do: products, session, recipe, script, notebook, jdaviz, glue.
    outcome
        What was written, or why not.
    handed
        The application of another program that was opened last, for use in Python.
    """

    def __init__(
        self,
        session: Session,
        *,
        background: Background | None = None,
        upto: Callable[[], str | None] | None = None,
        say: Callable[[str], object] | None = None,
        hand_over: Callable[..., object] | None = None,
        place: w.Box | None = None,
    ) -> None:
        self.session = session
        self.handed: Any = None
        self._background = background or Background()
        self._hand_over = hand_over or self._background.hand_over
        self._upto = upto or (lambda: None)
        self._say = say or (lambda _: None)
        self._busy = False
        self.place = place if place is not None else w.VBox()
        self.folder = w.Text(
            value=PRODUCTS,
            description="folder",
            placeholder="folder to write into",
            tooltip="Folder for all that is written; made if it is not there",
            continuous_update=False,
            style={"description_width": "48px"},
        )
        self.folder.add_class("jwi-takehome-folder")
        self.overwrite = w.Checkbox(
            value=False,
            description="overwrite files that exist",
            tooltip="Otherwise a file that exists is left alone, and you are told",
            indent=False,
        )
        self.every = w.Checkbox(
            value=False,
            description=f"products of all {len(session.exposures)} exposures",
            tooltip="Otherwise of the exposure that is shown",
            indent=False,
        )
        self.shown = w.Checkbox(
            value=False,
            description="products of the shown step",
            tooltip="Otherwise those of the last step of the recipe: the rate",
            indent=False,
        )
        self.shown.layout.display = "" if upto is not None else "none"
        self.every.layout.display = "" if len(session.exposures) > 1 else "none"
        self.buttons = self._made_buttons()
        self.outcome = w.HTML()
        self.outcome.add_class("jwi-takehome-outcome")
        super().__init__(self._arranged(place is None))
        self.add_class("jwi-takehome")

    def _made_buttons(self) -> dict[str, w.Button]:
        wanted: dict[str, tuple[str, str, Callable[[], None]]] = {
            "products": (
                "Save products",
                "Run what is stale and write the products as FITS files",
                self._save_products,
            ),
            "session": (
                "Save session",
                "Write results, parameters and log into a folder that opens again as it is",
                self._save_session,
            ),
            "recipe": (
                "Recipe",
                "Write the parameter file (.toml): every step and parameter",
                partial(self._export, write_recipe, "_recipe.toml"),
            ),
            "script": (
                "Python script",
                "Write a script (.py) that repeats the reduction without a browser",
                partial(self._export, partial(write_script, write=PRODUCTS), "_script.py"),
            ),
            "notebook": (
                "Notebook",
                "Write a notebook (.ipynb) that tells what was done and repeats it",
                partial(self._export, write_notebook, "_reduction.ipynb"),
            ),
            "jdaviz": (
                "Open in jdaviz",
                "Show the product of the shown step in jdaviz",
                partial(self._open, "jdaviz"),
            ),
            "glue": (
                "Open in glue",
                "Show the product of the shown step in glue",
                partial(self._open, "glue"),
            ),
        }
        found = {}
        for name, (label, tooltip, act) in wanted.items():
            button = w.Button(description=label, tooltip=tooltip)
            button.add_class("jwi-takehome-act")
            if name == "products":
                button.button_style = "primary"
            button.on_click(lambda _, act=act: self._hand_over(act))
            found[name] = button
        return found

    def _arranged(self, own_place: bool) -> list[w.Widget]:
        files = ("products", "session", "recipe", "script", "notebook")
        ready = [p for p in ("jdaviz", "glue") if handover.installed(p)]
        absent = [p for p in ("jdaviz", "glue") if p not in ready]
        parts: list[w.Widget] = [
            w.HTML('<div class="jwi-title" role="heading" aria-level="3">Take it home</div>'),
            self.folder,
            self.overwrite,
            self.shown,
            self.every,
            _grid([self.buttons[name] for name in files]),
        ]
        if ready:
            parts.append(_grid([self.buttons[name] for name in ready]))
        if absent:
            lines = "<br>".join(escape(handover.way_to_install(name)) for name in absent)
            parts.append(w.HTML(f'<div class="jwi-quiet">{lines}</div>'))
        parts.append(self.outcome)
        return [*parts, self.place] if own_place else parts

    # -- what the buttons do ------------------------------------------------------------------

    def _save_products(self) -> None:
        folder, overwrite = self._folder(), self.overwrite.value
        upto = self._upto() if self.shown.value else None
        active = self.session.active
        numbers = [active]
        if self.every.value:  # slits of one file go into one file
            count = len(self.session.exposures)
            numbers = sorted({self.session.slits_of(i)[0] for i in range(count)})

        def write() -> list[Path]:
            if upto == "input":
                raise OutputError("the file as it was read is there already: show a later step")
            written: list[Path] = []
            for number in numbers:
                written += self.session.write(folder, upto, number, overwrite=overwrite)
            return written

        self._do("writing products", write)

    def _save_session(self) -> None:
        folder = self._folder() / f"{self._root()}_session"
        overwrite = self.overwrite.value or folder == self.session.folder

        def write() -> list[Path]:
            if (folder / SESSION_FILE).exists() and not overwrite:
                raise AlreadyThere.of(folder, "another folder")
            kept = self.session.folder
            try:
                return [self.session.save(folder)]
            finally:  # a copy: what is done from now on is kept where it was
                self.session.folder = kept or self.session.folder

        self._do("saving the session", write)

    def _export(self, write: Callable[..., Path], ending: str) -> None:
        path, overwrite = self._folder() / f"{self._root()}{ending}", self.overwrite.value
        self._do(f"writing {path.name}", lambda: [write(self.session, path, overwrite=overwrite)])

    def _open(self, program: str) -> None:
        upto, active = self._upto(), self.session.active
        shown = self.session.look.integration
        label = f"{self._root()} after {upto or 'the last step'}"

        def bring() -> Product:
            handover.load(program)
            return self.session.run(upto, active)

        def made(product: Product) -> None:
            # widgets are made on the kernel's loop, never on a worker
            if program == "glue":
                mask = self.session.mask(active)
                self.handed = handover.open_in_glue(product, label, mask=mask)
            else:
                self.handed = handover.open_in_jdaviz(
                    product, label, integration=_integration(product, shown)
                )
            self.place.children = (handover.widget_of(self.handed),)
            self._tell(f"{program} shows {label}")

        self._work(f"opening {program}", bring, partial(self._try, made))

    # -- how it is done -----------------------------------------------------------------------

    def _folder(self) -> Path:
        return Path(str(self.folder.value).strip() or ".").expanduser()

    def _root(self) -> str:
        return root_name(self.session.exposures[self.session.active].path)

    def _do(self, what: str, act: Act) -> None:
        self._work(what, act, self._written)

    def _work(self, what: str, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Do one thing off the loop; the buttons wait, so that nothing is dropped for newer."""
        if self._busy:
            return
        self._wait(True)
        self._show(f'<div class="jwi-quiet" role="status">{escape(what)} …</div>')

        def ended(result: Any) -> None:
            self._wait(False)
            done(result)

        def failed(error: BaseException) -> None:
            self._wait(False)
            self._fail(error)

        self._background.submit(lambda _: work(), ended, failed)

    def _wait(self, busy: bool) -> None:
        self._busy = busy
        for button in self.buttons.values():
            button.disabled = busy

    def _try(self, act: Callable[[Any], None], value: Any) -> None:
        try:
            act(value)
        except Exception as error:  # whatever another program throws, it is said in place
            self._fail(error)

    def _written(self, paths: Sequence[Path]) -> None:
        rows = "".join(
            f'<li><span class="jwi-takehome-path">{escape(str(path))}</span> '
            f'<span class="jwi-quiet">{_size(path)}</span></li>'
            for path in paths
        )
        self._show(f'<div role="status">written:<ul>{rows}</ul></div>')
        self._say("written: " + ", ".join(str(p) for p in paths))

    def _tell(self, text: str) -> None:
        self._show(f'<div role="status">{escape(text)}</div>')
        self._say(text)

    def _fail(self, error: BaseException) -> None:
        text = str(error).partition("\n")[0] or type(error).__name__
        if not isinstance(error, JwinteractiveError):
            text = f"{type(error).__name__}: {text}"
        elif isinstance(error, AlreadyThere):
            text = error.told(f"tick {self.overwrite.description!r}")
        self._show(f'<div class="jwi-takehome-error" role="alert">{escape(text)}</div>')
        self._say(text)

    def _show(self, html: str) -> None:
        self.outcome.value = html


def _grid(buttons: Sequence[w.Button]) -> w.Box:
    grid = w.Box(buttons)
    grid.add_class("jwi-takehome-grid")
    return grid


def _integration(product: Product, shown: int) -> int | None:
    """Integration of a product that is in view; None if the product has none."""
    if not isinstance(product, Ramp | RateInts):
        return None
    return min(shown, len(product.data) - 1)


def _size(path: Path) -> str:
    """Bytes of a file, or of all in a folder, in words."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    size = float(sum(p.stat().st_size for p in files))
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
