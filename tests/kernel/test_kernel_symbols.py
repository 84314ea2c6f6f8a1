"""Functions and variables of the kernel, called and read by probes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pyebpf import (
    Array,
    Const,
    KernelVariable,
    Ptr,
    RawTracepointContext,
    Session,
    compile_probes,
    has_kfunc,
    has_variable,
    host_target,
    i64,
    kfunc,
    load,
    raw_tracepoint,
    read_kernel_str,
    tgid,
    tp_btf,
    u8,
    u64,
)
from pyebpf.btf.system import kernel_btf
from pyebpf.btf.types import Kind
from pyebpf.errors import CompileError, RelocationError, VerifierError
from pyebpf.kernel import rq, task_struct
from tests.kernel.running import fire, loaded

pytestmark = pytest.mark.kernel

task_from_pid, task_release = kfunc("bpf_task_from_pid"), kfunc("bpf_task_release")
task_acquire = kfunc("bpf_task_acquire")
rcu_lock, rcu_unlock = kfunc("bpf_rcu_read_lock"), kfunc("bpf_rcu_read_unlock")
cpumask_create, cpumask_release = kfunc("bpf_cpumask_create"), kfunc("bpf_cpumask_release")
cpumask_set_cpu, cpumask_clear_cpu = kfunc("bpf_cpumask_set_cpu"), kfunc("bpf_cpumask_clear_cpu")
cpumask_weight = kfunc("bpf_cpumask_weight")
strlen, strstr, strcmp = kfunc("bpf_strlen"), kfunc("bpf_strstr"), kfunc("bpf_strcmp")
tomorrow = kfunc("bpf_of_tomorrow")
no_kfunc = kfunc("vfs_read")

myself, other_task = Const(0), Const(0)
out = Array[i64](max_entries=32)


def needs(name: str) -> pytest.MarkDecorator:
    found = kernel_btf().find_all(name, Kind.FUNC)
    return pytest.mark.skipif(not found, reason=f"this kernel has no {name}")


def rename(session: Session) -> list[int]:
    """Let the probes of ``task_rename`` run for this thread; return what they stored."""
    comm = Path("/proc/self/comm")
    before = comm.read_text().rstrip("\n")
    try:
        comm.write_text("renamed by test")
    finally:
        comm.write_text(before)
    return [int(n) for n in session[out].view()]


@tp_btf("task_rename")
def parents(task: Ptr[task_struct]) -> None:
    if tgid() != myself:
        return
    other = task_from_pid(other_task)
    if other is not None:
        out[0] = other.pid
        out[1] = other.real_parent.pid
        task_release(other)
    out[2] = task_from_nothing()
    mine = task_acquire(task)
    if mine:
        out[3] = mine.tgid
        task_release(mine)
    rcu_lock()
    out[4] = task.real_parent.tgid
    rcu_unlock()
    if has_kfunc(tomorrow):
        tomorrow(1)
    else:
        out[5] = 1


def task_from_nothing() -> u64:
    found = task_from_pid(0)
    if found is None:
        return 7
    task_release(found)
    return 8


@needs("bpf_task_from_pid")
def test_a_task_is_found_read_and_given_back() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        with load(parents, options={myself: os.getpid(), other_task: child.pid}) as session:
            seen = rename(session)
        assert child.stdin is not None
        child.stdin.close()
    assert seen[:6] == [child.pid, os.getpid(), 7, os.getpid(), os.getppid(), 1]


@tp_btf("task_rename")
def masks(task: Ptr[task_struct]) -> None:
    if tgid() != myself:
        return
    mask = cpumask_create()
    if mask is not None:
        cpumask_set_cpu(1, mask)
        cpumask_set_cpu(0, mask)
        cpumask_clear_cpu(0, mask)
        out[10] = cpumask_weight(mask)
        cpumask_release(mask)


@needs("bpf_cpumask_create")
def test_an_object_of_the_kernels_own_memory() -> None:
    with load(masks, options={myself: os.getpid()}) as session:
        assert rename(session)[10] == 1


@tp_btf("task_rename")
def texts(task: Ptr[task_struct], comm: u64) -> None:
    if tgid() != myself:
        return
    out[11] = strlen("hello")
    out[12] = strstr("hello world", "wor")
    out[13] = strlen(comm) + strlen(read_kernel_str(comm, 16)) * 100
    out[14] = strcmp("abc", "abd")


@needs("bpf_strlen")
def test_text_is_passed_by_address() -> None:
    with load(texts, options={myself: os.getpid()}) as session:
        name = len(Path("/proc/self/comm").read_text()) - 1
        assert rename(session)[11:15] == [5, 6, name * 101, -1]


@tp_btf("task_rename")
def forgets(task: Ptr[task_struct]) -> None:
    other = task_from_pid(1)
    if other is not None and other.pid > 5:
        task_release(other)


@needs("bpf_task_from_pid")
def test_what_is_not_given_back_on_every_way_is_said_by_the_verifier() -> None:
    with pytest.raises(VerifierError, match="give it back on every"):
        load(forgets).close()


@tp_btf("task_rename")
def calls_any(task: Ptr[task_struct]) -> None:
    no_kfunc()


@pytest.mark.skipif(
    not kernel_btf().find_all("bpf_kfunc", Kind.DECL_TAG), reason="BTF does not mark kfuncs"
)
def test_a_function_that_is_not_for_programs_is_refused() -> None:
    with pytest.raises(CompileError, match="no function for programs `vfs_read`"):
        compile_probes(calls_any)


# -- variables

runqueues = KernelVariable[rq]("runqueues")
start_rodata = KernelVariable[u8]("__start_rodata")
jiffies = KernelVariable[u64]("jiffies")
init_task = KernelVariable[task_struct]("init_task")
missing = KernelVariable[u64]("no_such_variable_at_all")
DESCRIBED = bool(kernel_btf().find_all("runqueues", Kind.VAR))
LISTED = host_target().has("kallsyms_all")


@raw_tracepoint("sys_enter")
def by_address(ctx: RawTracepointContext) -> int:
    out[20] = start_rodata.value
    out[21] = has_variable(start_rodata) << 1
    out[22] = 1
    if has_variable(missing):
        out[22] = missing.value
    return 1


def test_a_variable_by_its_address_and_one_that_is_missing() -> None:
    with loaded(by_address) as session:
        assert fire(session, by_address) == 1
        assert session[out].view()[20:23].tolist()[1:] == [2, 1]


@raw_tracepoint("sys_enter")
def needs_missing(ctx: RawTracepointContext) -> int:
    return missing.value


def test_a_variable_that_must_be_there_is_named() -> None:
    words = "no variable `no_such_variable_at_all`"
    with pytest.raises(RelocationError, match=words), loaded(needs_missing):
        pass


@raw_tracepoint("sys_enter")
def per_cpu(ctx: RawTracepointContext) -> int:
    out[24] = runqueues.this_cpu().cpu
    other = runqueues.on_cpu(ctx.args[0])
    if other is None:
        return 2
    out[25] = other.cpu
    out[26] = jiffies.value
    out[27] = init_task.value.pid
    return 1


@pytest.mark.skipif(
    not (LISTED and DESCRIBED), reason="this kernel does not list or describe its variables"
)
def test_per_cpu_variables() -> None:
    with loaded(per_cpu) as session:
        assert fire(session, per_cpu, 0) == 1
        seen = session[out].view()[24:28].tolist()
        assert seen[0] in os.sched_getaffinity(0)
        assert seen[1] == 0
        assert seen[2] > 0
        assert seen[3] == 0
        assert fire(session, per_cpu, 100_000) == 2


@raw_tracepoint("sys_enter")
def asks(ctx: RawTracepointContext) -> int:
    if has_variable(runqueues):
        return runqueues.this_cpu().cpu * 0 + 1
    return 2


@pytest.mark.skipif(not DESCRIBED, reason="the BTF of this kernel has no variables")
def test_what_the_kernel_does_not_list_is_said_before_loading() -> None:
    with loaded(asks) as session:
        assert fire(session, asks) == (1 if LISTED else 2)


LOAD = """
set -e
mount -t bpf none "$1"
"$2" prog load "$3" "$1/probe"
ls "$1"
"""


@needs("bpf_task_from_pid")
def test_libbpf_takes_the_object(program: Callable[[str], str], tmp_path: Path) -> None:
    file, folder = tmp_path / "parents.o", tmp_path / "bpf"
    file.write_bytes(compile_probes(parents, options={myself: 1, other_task: 1}).object)
    folder.mkdir()
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", LOAD, "sh"]
    words += [str(folder), program("bpftool"), str(file)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert "probe" in done.stdout.split(), done.stderr
