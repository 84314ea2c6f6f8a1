"""The command ``pyebpf stubs`` on the running kernel, and what can go wrong with it."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from tests.programs import run, start

pytestmark = pytest.mark.kernel

PROGRAM = """
from pyebpf import TracepointContext, tracepoint
from pyebpf.kernel import list_head
from pyebpf.tracepoints import sched_switch
"""


def stubs(*args: object, **how: object) -> tuple[int, str, str]:
    return run("-m", "pyebpf", "stubs", *map(str, args), **how)  # type: ignore[arg-type]


@pytest.mark.thorough
def test_what_is_said(tmp_path: Path) -> None:
    done = stubs("-o", tmp_path, "list_head", "sched:sched_switch")
    size = sum(path.stat().st_size for path in (tmp_path / "pyebpf_stubs").iterdir())
    said = f"{tmp_path}/pyebpf_stubs: 1 types, 1 tracepoints, 0 kfuncs, {-(-size // 1000)} kB\n"
    assert done == (0, said, "")
    before = (tmp_path / "pyebpf_stubs" / "types.pyi").read_bytes()
    assert stubs("sched:sched_switch", "list_head", "--output", tmp_path) == (0, said, "")
    assert (tmp_path / "pyebpf_stubs" / "types.pyi").read_bytes() == before


@pytest.mark.thorough
def test_names_that_the_kernel_lacks(tmp_path: Path) -> None:
    done = stubs("-o", tmp_path, "list_haed")
    assert (done[0], done[1]) == (1, "")
    assert done[2].startswith("pyebpf: nothing in this kernel is called 'list_haed'; did you mean")
    assert not (tmp_path / "pyebpf_stubs").exists()
    (tmp_path / "probe.py").write_text(PROGRAM + "from pyebpf.kernel import no_such_type\n")
    code, out, err = stubs("-o", tmp_path, tmp_path)
    assert code == 0
    assert err == "pyebpf: this kernel has no 'no_such_type': left out, so it may be anything\n"
    assert ": 1 types, 1 tracepoints, 0 kfuncs" in out


@pytest.mark.thorough
def test_files_that_are_no_programs(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import pyebpf\ndef (")
    code, _, err = stubs("-o", tmp_path, tmp_path / "broken.py")
    assert (code, err) == (1, f"pyebpf: {tmp_path}/broken.py:2: invalid syntax\n")
    code, _, err = stubs("-o", tmp_path, tmp_path)
    assert code == 1
    assert f"pyebpf: left out: {tmp_path}/broken.py:2: invalid syntax\n" in err
    assert "1 Python files name nothing of the kernel; say what you want" in err
    assert "No such file" in stubs("-o", tmp_path, "absent.py")[2]


@pytest.mark.thorough
@pytest.mark.parametrize("args", [["-x"], ["--outptu=x", "list_head"], ["-o"], ["-o", "", "x"]])
def test_wrong_arguments(args: list[str]) -> None:
    code, out, err = stubs(*args)
    assert (code, out) == (2, "")
    assert "usage: pyebpf stubs" in err


@pytest.mark.thorough
def test_a_full_disk(tmp_path: Path) -> None:
    def small() -> None:  # a file of a stub cannot be written, as if the disk were full
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))

    code, out, err = stubs("-o", tmp_path, "task_struct", prepare=small)
    assert (code, out) == (1, "")
    assert err == f"pyebpf: {tmp_path}/pyebpf_stubs/types.pyi: File too large\n"
    assert [path.name for path in (tmp_path / "pyebpf_stubs").iterdir()] == ["__init__.pyi"]
    code, out, err = stubs("-o", "/dev/null", "list_head")
    assert (code, out, "Not a directory" in err) == (1, "", True)


@pytest.mark.thorough
def test_nobody_reads_what_it_says(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    process = start("-m", "pyebpf", "stubs", "-o", str(tmp_path), "list_head", stdout=write)
    os.close(write)
    _, err = process.communicate()
    assert (process.returncode, err) == (141, b"")
