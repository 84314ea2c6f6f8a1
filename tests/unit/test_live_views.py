"""Views drawn while something runs: in IPython's shell, in a terminal, in a file."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pyebpf.live import Look, look, watch
from pyebpf.present import screens
from pyebpf.present.hist import Hist
from pyebpf.present.picture import Picture, picture

ROOT = Path(__file__).resolve().parents[2]
FOREVER = float("inf")


class Shown:
    """A display that keeps what it shows."""

    def __init__(self) -> None:
        self.pictures: list[Picture] = []

    def show(self, picture: Picture) -> None:
        self.pictures.append(picture)


def counter() -> Look:
    numbers = iter(range(1_000))
    return look(lambda: next(numbers), "n")


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_it_draws_until_the_time_is_over_and_gives_the_last_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown, clock = Shown(), Clock()
    monkeypatch.setattr("pyebpf.live.time", clock)
    (last,) = watch([counter()], 2, 7, clock.sleep, shown)
    texts = [one.text.split("\n") for one in shown.pictures]
    notes = ["0.0 s, running", "2.0 s, running", "4.0 s, running", "6.0 s, running", "7.0 s"]
    assert texts == [["n:", str(n), note] for n, note in enumerate(notes)]
    assert last == 4


def test_what_takes_longer_than_the_interval_is_drawn_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown, clock = Shown(), Clock()
    monkeypatch.setattr("pyebpf.live.time", clock)
    watch([look(lambda: clock.sleep(5), "")], 2, 11, clock.sleep, shown)
    notes = [one.text.split("\n")[-1] for one in shown.pictures]
    assert notes == ["0.0 s, running", "5.0 s, running", "10.0 s, running", "11.0 s"]


def interrupt(_: float) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_ends_it_with_a_last_drawing() -> None:
    shown = Shown()
    before = signal.getsignal(signal.SIGINT)
    assert watch([counter()], 60, FOREVER, interrupt, shown) == (1,)
    assert "running" not in shown.pictures[-1].text
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_ends_a_function_that_does_not_return() -> None:
    def stuck() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        watch([look(stuck, "")], 1, FOREVER, time.sleep, Shown())


def test_texts_are_safe_in_both_forms() -> None:
    made = picture("\x1b[31m<b>")
    assert made.text == "\\x1b[31m<b>"
    assert "<pre>\\x1b[31m&lt;b&gt;</pre>" in made.html


def test_a_file_gets_what_has_changed() -> None:
    stream = io.StringIO()
    log = screens.Log(stream)
    for text in ("a\n0.1 s", "a\n0.2 s", "b\n0.3 s"):
        log.show(Picture("", text))
    assert stream.getvalue() == "a\n0.1 s\nb\n0.3 s\n"


def test_a_terminal_is_written_over() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        terminal = screens.Terminal(stream)
        for text, up in (("first\n1", ""), ("second\n2\n3", "\x1b[2F")):
            terminal.show(Picture("", text))
            wanted = text.replace("\n", "\x1b[K\r\n")
            assert os.read(ours, 1_000).decode() == f"{up}{wanted}\x1b[K\r\n\x1b[J"
    os.close(ours)


#: A cell that draws a histogram, interrupted; then one that asks what is left of it.
IN_A_SHELL = """\
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance(colors="NoColor")
shell.display_pub = CapturingDisplayPublisher()
shell.run_cell('''
import os, signal
from pyebpf.live import look, watch
from pyebpf.present import screens
from pyebpf.present.hist import Hist
counts = iter(range(1, 100))
def state():
    hist = Hist.log2([next(counts)])
    if hist.count == 4:
        os.kill(os.getpid(), signal.SIGINT)
    return hist
hist, = watch([look(state, "")], 0.001, 60, lambda _: None, screens.display())
''')
result = shell.run_cell("hist.count")
sent = shell.display_pub.outputs
html = [one["data"]["text/html"] for one in sent]
print(len({one["transient"]["display_id"] for one in sent}), [one["update"] for one in sent][:2])
print(all("<svg" in one for one in html), len(html) == result.result)
print("running" in html[0], "running" in html[-1])
"""


def test_a_cell_of_a_notebook_is_updated_in_place(tmp_path: Path) -> None:
    pytest.importorskip("IPython", reason="ipython is not installed (make setup)")
    done = subprocess.run(
        [sys.executable, "-c", IN_A_SHELL],
        cwd=ROOT,
        env={**os.environ, "IPYTHONDIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-3:]
    assert last == ["1 [False, True]", "True True", "True False"], done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_plain_python_is_no_notebook() -> None:
    assert not screens.is_notebook()


def test_a_view_is_looked_at_by_its_snapshot() -> None:
    class View:
        @staticmethod
        def snapshot() -> Hist:
            return Hist.log2(np.array([1, 2], np.uint64))

    assert look(View(), "").state() == Hist.log2([1, 2])
    assert look(Hist.log2([3]), "").state() == Hist.log2([3])
