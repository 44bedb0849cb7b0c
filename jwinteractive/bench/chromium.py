"""One page of a headless Chromium, told what to do over its debugging protocol.

Nothing stands between: what is timed runs in the page itself.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

from jwinteractive.errors import JwinteractiveError

__all__ = ["FLAGS", "Page", "chromium_path"]

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium_path() -> str | None:
    """A Chromium of the system, else the newest that Playwright fetched, else None."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    fetched = os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "~/.cache/ms-playwright")
    own = sorted(Path(fetched).expanduser().glob("chromium-*/chrome-linux*/chrome"))
    return str(own[-1]) if own else None


class Page:
    """A page of a Chromium of its own; a context manager that ends it.

    Parameters
    ----------
    path
        Chromium.
    home
        Folder for what it keeps.
    """

    def __init__(self, path: str, home: Path) -> None:
        self._home = home
        line = [
            path,
            "--headless",
            *FLAGS,
            "--window-size=1920,1300",
            "--remote-debugging-port=0",
            f"--user-data-dir={home}",
        ]
        with (home / "chromium.log").open("w") as log:
            self._process = subprocess.Popen([*line, "about:blank"], stdout=log, stderr=log)
        self._socket: Any = None
        self._number = 0
        self._session = ""

    def __enter__(self) -> Self:
        try:
            self._attach()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _attach(self) -> None:
        from websocket import create_connection

        told = self._home / "DevToolsActivePort"
        end = time.monotonic() + 60
        while not (told.exists() and told.read_text().count("\n")):
            if self._process.poll() is not None or time.monotonic() > end:
                raise JwinteractiveError("Chromium does not start")
            time.sleep(0.1)  # between two looks at another process
        port, path = told.read_text().split()
        address = f"ws://127.0.0.1:{port}{path}"
        self._socket = create_connection(address, suppress_origin=True, timeout=300)
        pages = self.call("Target.getTargets")["targetInfos"]
        page = next(p["targetId"] for p in pages if p["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)  # as if a person sat there

    def call(self, method: str, **parameters: Any) -> Any:
        """Answer to a command of the protocol."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise JwinteractiveError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def before_every_page(self, script: str) -> None:
        """Run a script in every new document before its own."""
        self.call("Page.enable")
        self.call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def go(self, url: str) -> None:
        """Open an address."""
        self.call("Page.navigate", url=url)

    def value(self, expression: str) -> Any:
        """Value of an expression in the page; a promise is awaited.

        Raises
        ------
        JwinteractiveError
            If it throws.
        """
        done = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in done:
            thrown = done["exceptionDetails"]
            what = thrown.get("exception", {}).get("description") or thrown["text"]
            raise JwinteractiveError(f"in the page: {what}")
        return done["result"].get("value")
