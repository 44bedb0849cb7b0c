"""A Jupyter server on this machine: wait for it, ask it, run cells of a notebook in its kernel.

A notebook whose cells ran before the browser opens it is alive at once: its page attaches to the
kernel that is running and takes the widgets from there.
"""

from __future__ import annotations

import dataclasses as dc
import json
import os
import queue
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.resources import files as packaged
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jwinteractive.errors import JwinteractiveError

__all__ = [
    "RUN_AHEAD",
    "Server",
    "environment",
    "free_port",
    "quiet_options",
    "run_ahead",
    "wait_for",
]

RUN_AHEAD = "run-ahead"  # the tag of cells that run before the browser opens
OUTPUTS = ("stream", "display_data", "execute_result", "error")

Content = dict[str, Any]


@dc.dataclass(frozen=True)
class Server:
    """A running Jupyter server.

    Attributes
    ----------
    process
        Its process.
    url
        Address, with a slash at its end.
    token
        What it asks for.
    runtime
        Folder in which it keeps its own files and those of its kernels.
    """

    process: subprocess.Popen[bytes]
    url: str
    token: str = dc.field(repr=False)
    runtime: Path

    @property
    def page(self) -> Path:
        """File that leads a browser to it without the token on a command line."""
        return self.runtime / f"jpserver-{self.process.pid}-open.html"

    def ask(self, what: str, send: Content | None = None, method: str | None = None) -> Any:
        """Answer of its REST interface.

        Raises
        ------
        OSError
            If it does not answer, or refuses.
        """
        data = None if send is None else json.dumps(send).encode()
        head = {"Authorization": f"token {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(
            f"{self.url}api/{what}", data=data, headers=head, method=method
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def stop(self) -> None:
        """End it, and with it its kernels."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def free_port() -> int:
    """Port on 127.0.0.1 that nothing listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def quiet_options(root: Path) -> list[str]:
    """Options for a server on this machine only, on a folder, that asks and fetches nothing."""
    line = ["--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={root.absolute()}"]
    line += [
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
    ]
    if getattr(os, "geteuid", lambda: 1)() == 0:  # in a container; Jupyter refuses otherwise
        line.append("--allow-root")
    return line


def wait_for(process: subprocess.Popen[bytes], runtime: Path, seconds: float = 90) -> Server:
    """Wait until a server that was just started answers.

    Raises
    ------
    JwinteractiveError
        If it ends, or takes longer than ``seconds``.
    """
    told = runtime / f"jpserver-{process.pid}.json"
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        try:
            info = json.loads(told.read_text())
            server = Server(process, info["url"], info["token"], runtime)
            server.ask("status")
        except (OSError, json.JSONDecodeError):
            time.sleep(0.1)  # between two looks at another process
        else:
            return server
    ended = process.poll()
    what = f"takes more than {seconds:g} s to start" if ended is None else f"ended with {ended}"
    raise JwinteractiveError(f"Jupyter: {what}")


def run_ahead(server: Server, name: str) -> None:
    """Run the cells tagged ``run-ahead`` of a notebook, and keep in it what they show.

    Parameters
    ----------
    name
        The notebook, in the root folder of the server.

    Raises
    ------
    JwinteractiveError
        If a cell fails (what it showed is kept, too), or the server or its kernel ends.
    OSError
        If the server does not answer.
    """
    notebook = server.ask(f"contents/{quote(name)}")["content"]
    cells = [
        c
        for c in notebook["cells"]
        if c["cell_type"] == "code" and RUN_AHEAD in c["metadata"].get("tags", [])
    ]
    if not cells:
        return
    kernel = notebook["metadata"].get("kernelspec", {}).get("name", "python3")
    asked = {"path": name, "name": name, "type": "notebook", "kernel": {"name": kernel}}
    started = server.ask("sessions", asked)["kernel"]["id"]
    trouble = None
    with _Kernel(server, started) as run:
        for i, cell in enumerate(cells):
            cell["outputs"] = list(run(cell["source"]))
            cell["execution_count"] = i + 1
            cell["metadata"]["trusted"] = True  # run here; an untrusted cell shows no widget
            trouble = next((o for o in cell["outputs"] if o["output_type"] == "error"), None)
            if trouble:
                break
    server.ask(
        f"contents/{quote(name)}",
        {"type": "notebook", "format": "json", "content": notebook},
        method="PUT",
    )
    if trouble:
        raise JwinteractiveError(f"{trouble['ename']}: {trouble['evalue']}")


class _Kernel:
    """Runs cells in a kernel of a server, over the kernel's own channels."""

    def __init__(self, server: Server, name: str) -> None:
        from jupyter_client.blocking.client import BlockingKernelClient

        self._server = server
        self._client = BlockingKernelClient()
        self._client.load_connection_file(str(server.runtime / f"kernel-{name}.json"))

    def __enter__(self) -> _Kernel:
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.stop_channels()

    def __call__(self, source: str) -> Iterator[Content]:
        """Outputs of a cell, as a notebook keeps them."""
        mine = self._client.execute(source, allow_stdin=False)
        while True:
            try:
                message = self._client.get_iopub_msg(timeout=1)
            except queue.Empty:
                if self._server.process.poll() is not None:
                    raise JwinteractiveError("Jupyter ended while a cell was running") from None
                continue
            if message["parent_header"].get("msg_id") != mine:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return
            if kind in OUTPUTS:
                keep = {k: v for k, v in content.items() if k != "transient"}
                yield {"output_type": kind, **keep}


def environment() -> dict[str, str]:
    """Environment of a server: its kernels find this Python, and nobody is asked about news."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    added = [str(packaged("jwinteractive") / "jupyter"), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    config = os.pathsep.join(filter(None, added))
    return {**os.environ, "PATH": path, "JUPYTER_CONFIG_PATH": config}
