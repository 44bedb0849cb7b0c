"""A Jupyter server played by a small web server, and a kernel played by a list of messages."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from jwinteractive import server as jupyter
from jwinteractive.errors import JwinteractiveError
from jwinteractive.server import RUN_AHEAD, Server, environment, run_ahead, wait_for


def code(source, *tags, outputs=()):
    return {
        "cell_type": "code",
        "metadata": {"tags": list(tags)},
        "source": source,
        "outputs": list(outputs),
        "execution_count": None,
    }


class Lasting:
    """A process that runs."""

    pid = 1

    def poll(self):
        return None


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A server whose answers are made up: its requests, and the notebook that it keeps."""
    requests, kept = [], {}

    def ask(self, what, send=None, method=None):
        requests.append((method, what))
        if method == "PUT":
            kept["notebook"] = send["content"]
        if what == "sessions":
            return {"kernel": {"id": "k"}}
        return {"content": kept["notebook"]}

    class Kernel:
        def __init__(self, server, name):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def __call__(self, source):
            if source == "fail":
                yield {"output_type": "error", "ename": "Oops", "evalue": "no", "traceback": []}
            else:
                yield {"output_type": "stream", "name": "stdout", "text": f"ran {source}"}

    monkeypatch.setattr(Server, "ask", ask)
    monkeypatch.setattr(jupyter, "_Kernel", Kernel)

    def run(*cells):
        kept["notebook"] = {"cells": list(cells), "metadata": {}}
        run_ahead(Server(Lasting(), "http://127.0.0.1:1/", "t", tmp_path), "a b.ipynb")

    run.requests, run.kept = requests, kept
    return run


def test_only_tagged_cells_run_and_only_they_are_trusted(asked):
    asked(code("one", RUN_AHEAD), code("two"))
    one, two = asked.kept["notebook"]["cells"]
    assert one["outputs"][0]["text"] == "ran one"
    assert one["metadata"]["trusted"] is True
    assert two["outputs"] == []
    assert "trusted" not in two["metadata"]
    assert (None, "contents/a%20b.ipynb") in asked.requests


def test_a_notebook_without_such_cells_starts_no_kernel(asked):
    asked(code("one"))
    assert asked.requests == [(None, "contents/a%20b.ipynb")]


def test_a_cell_that_fails_keeps_what_it_showed_and_nothing_runs_after_it(asked):
    with pytest.raises(JwinteractiveError, match="Oops: no"):
        asked(code("fail", RUN_AHEAD), code("two", RUN_AHEAD))
    fail, two = asked.kept["notebook"]["cells"]
    assert fail["outputs"][0]["ename"] == "Oops"
    assert two["outputs"] == []


def test_a_server_that_ends_at_once_is_said_with_its_code(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    process.wait()
    with pytest.raises(JwinteractiveError, match="ended with 3"):
        wait_for(process, tmp_path)


def test_a_server_that_does_not_answer_is_given_up(tmp_path):
    with pytest.raises(JwinteractiveError, match="takes more than 0 s"):
        wait_for(Lasting(), tmp_path, seconds=0)


def test_requests_carry_the_token_in_their_head_and_not_in_their_address(tmp_path):
    seen = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, self.headers["Authorization"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as web:
        thread = threading.Thread(target=web.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{web.server_port}/"
        (tmp_path / "jpserver-1.json").write_text(json.dumps({"url": url, "token": "secret"}))
        server = wait_for(Lasting(), tmp_path)
        thread.join()
    assert seen == [("/api/status", "token secret")]
    assert "secret" not in repr(server)


def test_news_are_off_for_this_server_and_the_own_configuration_is_kept(monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/etc/mine")
    ours, own = environment()["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert own == "/etc/mine"
    assert "announcements" in (Path(ours) / "labconfig" / "page_config.json").read_text()
