"""Magics at work: reports of a known workload, drawn, in IPython's own shell."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("IPython", reason="ipython is not installed (make setup)")

from tests.unit.test_magics import run

pytestmark = [pytest.mark.kernel, pytest.mark.exact, pytest.mark.thorough]

#: 23 calls, while a cell counts those of this process.
WORK = """
import os, signal, threading, time
def is_attached():
    for fd in os.listdir("/proc/self/fd"):
        try:
            if "bpf_link" in os.readlink(f"/proc/self/fd/{fd}"):
                return True
        except OSError:
            pass  # it is closed again
def work(then):
    while not is_attached():
        time.sleep(0.01)
    for _ in range(23):
        os.getppid()
    then()
def later(then=lambda: None):
    threading.Thread(target=work, args=[then]).start()
line = f"syscount -p {os.getpid()} --syscall getppid"
sent = shell.display_pub.outputs
"""


def test_a_single_report_is_the_result_of_the_cell(tmp_path: Path) -> None:
    out, err = run(
        WORK + "later()\n"
        "found = shell.run_cell(f'%{line} 3').result\n"
        "print('\\n', [*found], '<table>' in found._repr_html_(), len(sent))\n",
        tmp_path,
    )
    assert out.splitlines()[-1] == " [{'syscall': 'getppid', 'count': 23}] True 0"
    assert err == ""


def test_an_interrupt_ends_it_with_its_report(tmp_path: Path) -> None:
    out, err = run(
        WORK + "later(lambda: (time.sleep(0.5), os.kill(os.getpid(), signal.SIGINT)))\n"
        "shell.run_cell(f'found = %{line}')\n"
        "print([*shell.user_ns['found']])\n",
        tmp_path,
    )
    assert out.splitlines()[-1] == "[{'syscall': 'getppid', 'count': 23}]"
    assert "Traceback" not in out + err


def test_several_reports_are_drawn_one_below_the_other(tmp_path: Path) -> None:
    out, _ = run(
        WORK + "later()\n"
        "print(shell.run_cell(f'%{line} 1.5 2').result)\n"
        "html = ' '.join(one['data']['text/html'] for one in sent)\n"
        "print(len(sent), html.count('>23</td>'))\n",
        tmp_path,
    )
    assert out.splitlines()[-2:] == ["None", "2 1"]
