"""Views drawn while something runs: in IPython's shell, in a terminal, in a file."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

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


def test_it_draws_until_the_time_is_over_and_gives_the_last_state() -> None:
    shown = Shown()
    begin = time.monotonic()
    (last,) = watch([counter()], 0.05, 0.2, time.sleep, shown)
    assert time.monotonic() - begin >= 0.2
    texts = [one.text.split("\n") for one in shown.pictures]
    assert [lines[:2] for lines in texts] == [["n:", str(n)] for n in range(len(texts))]
    assert last == len(texts) - 1 >= 2
    assert texts[0][2].endswith("s, running")
    assert texts[-1][2] == "0.2 s"


def interrupted(looks: list[Look], shown: Shown) -> tuple[Any, ...]:
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        return watch(looks, 60, FOREVER, time.sleep, shown)
    finally:
        timer.join()


def test_an_interrupt_ends_it_with_a_last_drawing() -> None:
    shown = Shown()
    before = signal.getsignal(signal.SIGINT)
    assert interrupted([counter()], shown) == (1,)
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
import os, signal, threading, time
from pyebpf.live import look, watch
from pyebpf.present import screens
from pyebpf.present.hist import Hist
counts = iter(range(1, 100))
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
hist, = watch([look(lambda: Hist.log2([next(counts)]), "")], 0.1, 60, time.sleep, screens.display())
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
