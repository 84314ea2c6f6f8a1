"""What a user reads when something goes wrong, word for word."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from pyebpf import (
    Array,
    Events,
    Hash,
    Log2Hist,
    Ptr,
    RawTracepointContext,
    Target,
    TracepointContext,
    compile_probes,
    current_task,
    host_target,
    ktime_get_ns,
    load,
    raw_tracepoint,
    record,
    tgid,
    tp_btf,
    tracepoint,
    u32,
    u64,
)
from pyebpf.dsl.collect import collect
from pyebpf.dsl.compile import build_unit
from pyebpf.dsl.unit import UnitState
from pyebpf.errors import (
    CompileError,
    MapFullError,
    NotSupportedError,
    PyebpfError,
    VerifierError,
)
from pyebpf.ir import nodes
from pyebpf.ir.llvm.object import compile_unit
from pyebpf.kernel import task_struct
from pyebpf.runtime.elf import parse_object
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.loader import load_object
from pyebpf.runtime.resolver import CoreResolver
from tests.kernel.running import fire, loaded

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[2]
HERE = Path(__file__)
OWN = os.getpid()


def line_of(text: str) -> int:
    """The first line of this file that has a text."""
    return next(n for n, line in enumerate(HERE.read_text().splitlines(), 1) if text in line)


def run_python(text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of its own in a child process."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYEBPF_CACHE": "off", **environment}
    words = [sys.executable, "-c", textwrap.dedent(text)]
    return subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=60)


# -- privileges

TRIVIAL = '''
from pyebpf import Array, load, raw_tracepoint, u64
from pyebpf.errors import KernelError, PyebpfError
import ctypes, linecache, os, sys

TEXT = """
counts = Array[u64](max_entries=1)

@raw_tracepoint("sys_enter")
def probe() -> None:
    counts[0] += 1
"""
linecache.cache["<cell>"] = (len(TEXT), None, TEXT.splitlines(keepends=True), "<cell>")
exec(compile(TEXT, "<cell>", "exec"))
'''


@pytest.mark.thorough
def test_a_missing_capability_is_named() -> None:
    # Of all capabilities none is left; capset(2), version 3.
    done = run_python(
        TRIVIAL
        + """
header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert ctypes.CDLL(None).capset(header, data) == 0
try:
    load(probe).close()
except PyebpfError as err:
    print(isinstance(err, KernelError), err.capability, err)
"""
    )
    size = re.findall(r"BTF \((\d+) bytes", done.stdout)[0]
    assert done.stdout == (
        f"True CAP_BPF loading BTF ({size} bytes) failed: EPERM: operation not permitted; this "
        "needs CAP_BPF, which this process lacks: run it as root, or grant CAP_BPF\n"
    ), done.stderr


# -- names


@tracepoint("sched:sched_swich")
def misspelt_tracepoint() -> None:
    pass


@tp_btf("sched_swich")
def misspelt_tp_btf() -> None:
    pass


@tracepoint("sched:sched_switch")
def misspelt_field(ctx: TracepointContext) -> None:
    print(ctx.prev_pidd)


@tp_btf("task_rename")
def misspelt_member(task: Ptr[task_struct]) -> None:
    print(task.tgidd)


@raw_tracepoint("sys_enter")
def unsupported(ctx: RawTracepointContext) -> None:
    import os  # noqa: F401


REFUSED = {
    misspelt_tracepoint: """\
error[E0104]: this kernel has no tracepoint `sched:sched_swich`
   --> FILE:LINE:13
    |
LINE | @tracepoint("sched:sched_swich")
    |             ^^^^^^^^^^^^^^^^^^^ not found; did you mean `sched:sched_switch`""",
    misspelt_tp_btf: """\
error[E0104]: this kernel has no tracepoint `sched_swich`
   --> FILE:LINE:9
    |
LINE | @tp_btf("sched_swich")
    |         ^^^^^^^^^^^^^ not found; did you mean `sched_switch`""",
    misspelt_field: """\
error[E0105]: `sched:sched_switch` has no field `prev_pidd`
   --> FILE:LINE:15
    |
LINE |     print(ctx.prev_pidd)
    |               ^^^^^^^^^ not found; did you mean `prev_pid`""",
    misspelt_member: """\
error[E0105]: `struct task_struct` has no field `tgidd`
   --> FILE:LINE:16
    |
LINE |     print(task.tgidd)
    |                ^^^^^ not found; did you mean `tgid`""",
    unsupported: """\
error[E0201]: `import` cannot be used in a probe
   --> FILE:LINE:5
    |
LINE |     import os  # noqa: F401
    |     ^^^^^^^^^ not supported
    |
    = help: import at the top of the module""",
}


@pytest.mark.parametrize("probe", REFUSED, ids=lambda probe: probe.name)
def test_what_the_compiler_refuses(probe: Any) -> None:
    with pytest.raises(CompileError) as refusal:
        load(probe)
    text = str(refusal.value)
    quoted = next(
        row.split("|", 1)[1][1:] for row in REFUSED[probe].splitlines() if row.startswith("LINE")
    )
    line = str(line_of(quoted))
    assert len(line) == 3, "the gutter of the expected texts is three wide"
    expected = REFUSED[probe].replace("FILE", str(HERE)).replace("LINE", line)
    assert text.startswith(expected)


# -- maps that are full

small = Hash[u32, u64](max_entries=2)
by_size = Log2Hist(key=u32, max_keys=2)


@record
class Fact:
    number: u64
    more: u64


facts = Events[Fact](pages=1)


@raw_tracepoint("sys_enter")
def fill(ctx: RawTracepointContext) -> int:
    key = ctx.args[0]
    small[key] = 1
    small[key + 1000] += 1
    by_size[key].add(5)
    facts.emit(Fact(number=key))
    return 1


def test_a_full_map_says_its_name_and_its_limit() -> None:
    with loaded(fill) as session:
        view = session[small]
        view[1], view[2] = 1, 2
        with pytest.raises(MapFullError) as refusal:
            view[3] = 3
        assert str(refusal.value) == (
            "map 'small' (hash) is full: it has room for 2 entries; declare it with a larger "
            "max_entries=, remove entries, or use an LRU map, which makes room by itself"
        )
        assert session.lost() == {}


def test_what_the_kernel_refuses_is_counted_exactly() -> None:
    with loaded(fill) as session:
        for key in range(300):
            assert fire(session, fill, key) == 1
        kept = len(session[facts].read())
        # Two of the 600 keys of `small` fit, two of the 300 of `by_size`.
        assert session.lost() == {"small": 598, "by_size": 298, "facts": 300 - kept}
        assert 0 < kept < 300
        assert len(session[small]) == len(session[by_size].snapshot()) == 2


@raw_tracepoint("sys_enter")
def chatter() -> int:
    for number in range(100):
        print("a line of more than a few bytes", number, ktime_get_ns(), tgid())
    return 1


def test_what_was_lost_is_known_when_the_session_is_closed() -> None:
    with loaded(fill) as session:
        for key in range(300):
            assert fire(session, fill, key) == 1
        stream = session[facts]
        before = session.lost()
        assert before["facts"] == stream.lost > 0
    assert session.lost() == before
    assert stream.lost == before["facts"]


def test_a_closed_session_says_so() -> None:
    with load(fill, attach=False) as session:
        pass
    session.close()
    for use in (
        lambda: session.attach(fill),
        lambda: session.test_run(fill),
        lambda: session.read(fill),
        lambda: session.pin(small, "/sys/fs/bpf/none"),
        lambda: session.pin(fill, "/sys/fs/bpf/none"),
        lambda: session[small],
        lambda: list(session.lines()),
        lambda: session.sleep(0),
    ):
        with pytest.raises(PyebpfError, match="the session is closed"):
            use()


def test_a_session_without_print_has_no_lines() -> None:
    with load(fill, attach=False) as session:
        assert list(session.lines(0.01)) == []


def test_printed_lines_without_room_are_counted() -> None:
    with loaded(chatter) as session:
        for _ in range(100):
            assert fire(session, chatter) == 1
        lines = len(list(session.lines(0)))
        assert lines
        assert session.lost() == {"print": 10_000 - lines}


# -- no types

counts = Array[u64](max_entries=1)


@raw_tracepoint("sys_enter")
def needs_types() -> None:
    counts[0] = current_task().pid


@raw_tracepoint("sys_enter")
def needs_none() -> int:
    counts[0] = tgid()
    return 1


@tp_btf("sched_switch")
def typed_hook() -> None:
    counts[0] += 1


def without_btf() -> Target:
    here = host_target()
    return Target(None, here.features, here.tracepoints, here.arch, here.cpus)


@pytest.mark.parametrize("probe", [needs_types, typed_hook], ids=lambda probe: probe.name)
def test_a_kernel_without_types(probe: Any) -> None:
    with pytest.raises(NotSupportedError) as refusal:
        compile_probes(probe, target=without_btf())
    assert str(refusal.value) == (
        "the target kernel has no BTF (CONFIG_DEBUG_INFO_BTF), so its types are unknown: "
        "name a file with them (load(btf=…), PYEBPF_BTF), or use tracepoints with their fields"
    )
    assert refusal.value.feature == "kernel_btf"


def test_probes_that_need_no_types_work_without_them() -> None:
    with loaded(needs_none, target=without_btf()) as session:
        assert fire(session, needs_none) == 1
        assert session[counts][0] == OWN


def test_an_external_btf_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = compile_probes(
        needs_types
    )  # the types are known when it is compiled, not when loaded
    monkeypatch.setenv("PYEBPF_BTF", "/nowhere/vmlinux")
    from pyebpf.btf.system import kernel_btf

    obj = parse_object(compiled.object)
    with pytest.raises(NotSupportedError) as refusal:
        load_object(obj, features=KernelFeatures(), resolver=CoreResolver(obj.btf, kernel_btf))
    assert str(refusal.value) == (
        "`struct task_struct.pid` has to be found in the kernel's types: the types in "
        "$PYEBPF_BTF, /nowhere/vmlinux, cannot be read: No such file or directory"
    )


# -- the verifier


def test_a_refusal_of_the_verifier_is_shown_at_the_python_line() -> None:
    """A program that the compiler would not make: a helper that raw tracepoints may not call."""
    unit = UnitState(host_target(), {}, collect([needs_none]))
    made = build_unit((needs_none,), unit)
    for block in made.functions[0].blocks:
        for instr in block.instrs:
            if isinstance(instr, nodes.CallHelper) and instr.helper == "get_current_pid_tgid":
                instr.helper = "get_hash_recalc"
                instr.args = (made.functions[0].params[0],)
    obj = parse_object(compile_unit(made, host_target()))
    with pytest.raises(VerifierError) as refusal:
        load_object(obj, features=KernelFeatures(), resolver=CoreResolver(obj.btf, lambda: None))  # type: ignore[arg-type,return-value]
    line = line_of("    counts[0] = tgid()")
    text = str(refusal.value)
    assert text.splitlines()[1:5] == [
        f"   --> {HERE}:{line}:17",
        "    |",
        f"{line} |     counts[0] = tgid()",
        "    |                 ^^^^^^ the verifier stopped here",
    ]
    assert re.match(r"error\[E0501\]: the kernel refused `needs_none`: .*get_hash_recalc", text)
    assert "= help: this kind of program may not call that helper" in text
    assert "processed" in refusal.value.log
    assert refusal.value.span is not None


# -- the cache

CACHED = """
import sys
from pyebpf import load
from tests.kernel.one_probe import probe
with load(probe):
    print("compiled" if "llvmlite" in sys.modules else "from the cache")
"""


def start(folder: Path) -> str:
    done = run_python(CACHED, PYEBPF_CACHE="on", PYEBPF_CACHE_DIR=str(folder))
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.fixture
def cache_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    return folder


@pytest.mark.slow
def test_a_damaged_cache_is_made_anew_without_a_word(cache_folder: Path) -> None:
    assert [start(cache_folder) for _ in range(2)] == ["compiled", "from the cache"]
    entries = list(cache_folder.iterdir())
    for path in entries:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
    assert [start(cache_folder) for _ in range(2)] == ["compiled", "from the cache"]
    for path in entries:
        path.write_bytes(path.read_bytes()[:20])
    assert start(cache_folder) == "compiled"


@pytest.mark.slow
def test_a_cache_that_others_may_write_is_ignored(cache_folder: Path) -> None:
    assert [start(cache_folder) for _ in range(2)] == ["compiled", "from the cache"]
    cache_folder.chmod(0o777)
    before = sorted(path.name for path in cache_folder.iterdir())
    assert [start(cache_folder) for _ in range(2)] == ["compiled", "compiled"]
    assert sorted(path.name for path in cache_folder.iterdir()) == before
    cache_folder.chmod(0o700)
    assert start(cache_folder) == "from the cache"
