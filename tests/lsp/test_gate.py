"""Who works beside completions waits while one is made, and not for ever."""

import threading
import time

from codelm.lsp import gate
from codelm.lsp.gate import Gate


def waits(gate: Gate) -> threading.Thread:
    """Return a thread that waits at the gate."""
    thread = threading.Thread(target=gate.wait)
    thread.start()
    return thread


def test_an_open_gate_lets_everybody_through():
    Gate().wait()


def test_a_closed_gate_opens_when_the_last_completion_is_made(monkeypatch):
    monkeypatch.setattr(gate, "LONGEST", 60)
    closed = Gate()
    with closed.closed():
        with closed.closed():
            waiting = waits(closed)
        assert waiting.is_alive()
    waiting.join(30)
    assert not waiting.is_alive()


def test_nobody_waits_for_ever(monkeypatch):
    monkeypatch.setattr(gate, "LONGEST", 0.05)
    closed = Gate()
    with closed.closed():
        waiting = waits(closed)
        waiting.join(30)
        assert not waiting.is_alive()


def test_after_a_key_others_wait_a_moment(monkeypatch):
    monkeypatch.setattr(gate, "AHEAD", 0.1)
    expecting = Gate()
    began = time.monotonic()
    expecting.expect()
    expecting.wait()
    assert time.monotonic() - began >= 0.1


def test_right_after_a_completion_others_may_work_until_the_next_key(monkeypatch):
    monkeypatch.setattr(gate, "AHEAD", 60)
    monkeypatch.setattr(gate, "LONGEST_TYPING", 60)
    monkeypatch.setattr(gate, "MOMENT", 60)
    typing = Gate()
    typing.expect()
    with typing.closed():
        waiting = waits(typing)
    waiting.join(30)
    assert not waiting.is_alive()
    typing.expect()
    monkeypatch.setattr(gate, "LONGEST_TYPING", 0.05)
    began = time.monotonic()
    typing.wait()
    assert time.monotonic() - began >= 0.05
