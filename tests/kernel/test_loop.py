"""Loop devices for tests and demos: exact I/O, and nothing left behind."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from pyebpf.errors import KernelError
from pyebpf.host import loop
from pyebpf.host.disks import dev_of
from pyebpf.host.loop import LoopDevice
from tests.loop import completed, size_of
from tests.programs import running

pytestmark = [pytest.mark.kernel, pytest.mark.exact]

HOLD = """
from pyebpf.host.loop import LoopDevice
disk = LoopDevice()
print(disk.name, flush=True)
input()
"""


def test_each_direct_request_reaches_the_disk_once() -> None:
    with LoopDevice(1 << 20) as disk:
        before = completed(disk)
        disk.read(23, 4096)
        disk.write(31, 16384)
        after = completed(disk)
        assert before is not None
        assert after is not None
        assert after - before == 54


def test_its_number_is_that_of_the_disk_list() -> None:
    with LoopDevice() as disk:
        assert disk.dev == dev_of(disk.name)
        assert size_of(disk.name) * 512 == disk.size_bytes


def test_closing_takes_it_down() -> None:
    disk = LoopDevice()
    assert size_of(disk.name) > 0
    disk.close()
    disk.close()
    assert size_of(disk.name) == 0


def test_it_goes_when_its_process_is_killed() -> None:
    with running("-c", HOLD) as program:
        name = program.wait_for("loop").strip()
        assert size_of(name) > 0
        program.send(signal.SIGKILL)
        program.end()
    assert size_of(name) == 0


def test_without_a_loop_driver_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(loop, "CONTROL", str(tmp_path / "loop-control"))
    with pytest.raises(KernelError, match="no loop driver"):
        LoopDevice()
