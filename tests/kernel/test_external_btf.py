"""A kernel whose types are hidden, in a mount namespace of the child's own: a file has them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyebpf.btf.extract import extract
from pyebpf.btf.system import DIRECTORY, kernel_btf
from tests.programs import ROOT

pytestmark = pytest.mark.kernel

_HIDE = f'mount --make-rprivate / && mount -t tmpfs none {DIRECTORY} && exec "$@"'

_MODULE = """
import os, sys
from pathlib import Path
from pyebpf import (Array, Char, Hash, chars, current_task, load, raw_tracepoint, record, tgid,
                    u32, u64)
from pyebpf.btf.system import DIRECTORY

assert os.listdir(DIRECTORY) == []
OWN = os.getpid()
numbers = Array[u64](max_entries=4)


@record
class Named:
    comm: Char = chars(16)


names = Hash[u32, Named](max_entries=1)


@raw_tracepoint("sys_enter")
def read() -> None:
    if tgid() == OWN:
        task = current_task()
        numbers[0] = task.pid
        numbers[1] = task.real_parent.tgid
        names[1] = Named(comm=task.comm)


with load(read, btf=sys.argv[1] if len(sys.argv) > 1 else None) as session:
    os.getppid()
    session.detach()
    assert session[numbers].view()[:2].tolist() == [OWN, os.getppid()]
    assert session[names][1].comm == Path("/proc/self/comm").read_text().rstrip()
print("read")
"""


def hidden(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python where ``/sys/kernel/btf`` is empty."""
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", _HIDE, "sh", sys.executable, *words],
        capture_output=True, text=True, check=False, timeout=300, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _namespaces() -> None:
    if hidden("-c", "").returncode:
        pytest.skip("this machine lets nobody mount in a namespace of its own")


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "reads.py"
    path.write_text(_MODULE)
    return str(path)


@pytest.fixture
def whole(tmp_path: Path) -> str:
    path = tmp_path / "kernel.btf"
    shutil.copy(f"{DIRECTORY}/vmlinux", path)
    return str(path)


@pytest.mark.thorough
def test_without_a_file_it_says_what_to_do(program: str) -> None:
    done = hidden(program, PYEBPF_CACHE="off")
    assert done.returncode
    assert "the target kernel has no BTF (CONFIG_DEBUG_INFO_BTF)" in done.stderr
    assert "load(btf=…)" in done.stderr


@pytest.mark.thorough
def test_a_file_is_given(program: str, whole: str) -> None:
    for _ in range(2):  # the second starts from the cache
        done = hidden(program, whole)
        assert (done.stdout, done.stderr) == ("read\n", "")
    done = hidden(program, PYEBPF_BTF=whole)
    assert (done.stdout, done.stderr) == ("read\n", "")


@pytest.mark.thorough
def test_a_reduced_file_is_given(program: str, tmp_path: Path) -> None:
    """As ``bpftool gen min_core_btf`` makes them: nothing tells which kernel it is of."""
    path = tmp_path / "reduced.btf"
    path.write_bytes(extract(kernel_btf(), ("task_struct",)))
    done = hidden(program, str(path))
    assert (done.stdout, done.stderr) == ("read\n", "")


@pytest.mark.thorough
def test_a_file_of_another_kernel_is_refused(program: str, tmp_path: Path) -> None:
    made = kernel_btf()
    path = tmp_path / "other.btf"
    data = bytes(made.data).replace(b"btf_trace_sched_switch\0", b"btf_trace_sched_swatch\0")
    assert data != bytes(made.data)
    path.write_bytes(data)
    done = hidden(program, str(path))
    assert done.returncode
    assert "has the types of another kernel than the running one" in done.stderr
    assert "this kernel has no tracepoint sched_swatch" in done.stderr


@pytest.mark.thorough
def test_a_tool_takes_the_file(whole: str) -> None:
    said = hidden("-m", "pyebpf.tools.biolatency", "--explain", "--btf", whole)
    assert (said.returncode, said.stderr) == (0, "")
    assert "block_rq_complete" in said.stdout
    absent = hidden("-m", "pyebpf.tools.biolatency", "--explain", "--btf", "/nowhere/btf")
    assert absent.returncode == 1
    assert "/nowhere/btf" in absent.stderr
