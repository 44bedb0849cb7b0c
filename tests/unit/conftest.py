"""Fixtures for widgets without a kernel: a comm that records, a front end played by messages."""

import pytest


@pytest.fixture
def sent(monkeypatch):
    """Everything that would travel to the browser: (comm id, data, bytes of the buffers)."""
    comm = pytest.importorskip("comm", reason="the lab extra is not installed")
    from comm.base_comm import BaseComm

    found = []

    class Recording(BaseComm):
        def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
            found.append(
                (self.comm_id, data or {}, sum(memoryview(b).nbytes for b in buffers or ()))
            )

    monkeypatch.setattr(comm, "create_comm", Recording)
    return found


@pytest.fixture
def browser_says():
    """Play a custom message of the front end."""

    def say(widget, buffers=(), **content):
        data = {"method": "custom", "content": content}
        widget._handle_msg({"content": {"data": data}, "buffers": list(buffers)})

    return say


@pytest.fixture
def customs(sent):
    """Custom messages of one kind that a widget sent: (content, bytes of the buffers)."""

    def of(widget, kind):
        content = [
            (d["content"], size)
            for name, d, size in sent
            if name == widget.comm.comm_id and d.get("method") == "custom"
        ]
        return [(c, size) for c, size in content if c.get("kind") == kind]

    return of


@pytest.fixture
def bench(sent, session):
    """A workbench on a small session; it is closed at the end."""
    from jwinteractive_widgets import workbench

    made = workbench(session)
    yield made
    made.close()
