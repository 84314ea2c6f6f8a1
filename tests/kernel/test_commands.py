"""The commands of ``pyebpf`` on this kernel, as users run them: as root, as nobody, wrongly."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyebpf import compile_probes
from pyebpf.btf.system import kernel_btf
from pyebpf.cli.commands import COMMANDS
from pyebpf.cli.programs import read_program
from pyebpf.hooks import KERNEL_KINDS, Sources
from pyebpf.runtime import elf
from pyebpf.runtime.features import KernelFeatures
from pyebpf.targets import host_target
from tests.programs import ROOT, drop_capabilities, run, running, start
from tests.terminal import at_terminal

pytestmark = pytest.mark.kernel

BIOLATENCY = "pyebpf.tools.biolatency"


def pyebpf(*words: object, **how: Any) -> tuple[int, str, str]:
    return run("-m", "pyebpf", *map(str, words), **how)


def features(text: str) -> dict[str, dict[str, str]]:
    groups = json.loads(text)["groups"]
    return {row["name"]: row for group in groups for row in group["features"]}


# doctor


def test_the_doctor_says_what_the_probes_say() -> None:
    code, out, err = pyebpf("doctor", "--json")
    assert (code, err) == (0, "")
    found, known = features(out), KernelFeatures(keep=False)
    asked = [name for name in found if ":" in name and not name.startswith("mount:")]
    assert len(asked) > 150
    for name in asked:
        has, row = known.has(name), found[name]
        assert (row["answer"] == "yes") is has, row
        assert has or row["reason"], row
    assert found["CAP_BPF"]["answer"] == "yes"
    assert "@raw_tracepoint" in json.loads(out)["works"]


@pytest.mark.thorough
def test_the_doctor_without_privileges() -> None:
    code, out, err = pyebpf("doctor", "-j", prepare=drop_capabilities)
    assert (code, err) == (1, "")
    found = features(out)
    assert json.loads(out)["works"] == []
    assert found["CAP_BPF"]["answer"] == "no"
    assert found["prog:tracepoint"] == {
        "name": "prog:tracepoint", "label": "tracepoint", "answer": "unknown",
        "reason": "EPERM: this process lacks CAP_BPF and CAP_PERFMON",
        "advice": "grant CAP_BPF and CAP_PERFMON", "cause": "privilege",
    }  # fmt: skip
    assert "No tracing program can run here" in pyebpf("doctor", prepare=drop_capabilities)[1]


def isolated(script: str, *words: str) -> tuple[int, str, str]:
    """Run the command after a script, in a mount namespace of its own."""
    shell = f'{script} && exec "$0" "$@"'
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", shell]
    argv += [sys.executable, "-m", "pyebpf", *words]
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


NO_TYPES = "mkdir -p /sys/kernel/btf; mount -t tmpfs none /sys/kernel/btf"


@pytest.mark.thorough
def test_the_doctor_on_a_kernel_without_types() -> None:
    code, out, err = isolated(NO_TYPES, "doctor", "--json")
    assert (code, err) == (0, "")
    found = features(out)
    assert found["kernel_btf"]["answer"] == "no"
    assert "CONFIG_DEBUG_INFO_BTF" in found["kernel_btf"]["reason"]
    works = json.loads(out)["works"]
    assert "@raw_tracepoint" in works
    assert "@tp_btf" not in works


@pytest.mark.thorough
def test_the_doctor_where_nothing_is_mounted() -> None:
    hide = "umount -a -t bpf,tracefs,debugfs,securityfs; true"
    code, out, _ = isolated(hide, "doctor", "--json")
    found = features(out)
    assert code == 0
    assert found["mount:bpf"]["advice"] == "mount -t bpf bpf /sys/fs/bpf"
    assert found["lsm"]["advice"] == "mount -t securityfs securityfs /sys/kernel/security"
    assert found["tracefs"]["answer"] == "yes"  # it is read without a place


# list


def listed(*words: object) -> list[str]:
    code, out, err = pyebpf("list", *words)
    assert code == 0, err
    return out.splitlines()


def test_a_tracepoint_with_its_fields() -> None:
    lines = listed("-v", "sched:sched_switch")
    assert lines[0] == '@tracepoint("sched:sched_switch")  (ctx: TracepointContext)'
    fields = [line.split() for line in lines[1:]]
    assert fields[:4] == [
        ["ctx.prev_comm", "text", "#", "char[16]"],
        ["ctx.prev_pid", "i32", "#", "pid_t"],
        ["ctx.prev_prio", "i32", "#", "int"],
        ["ctx.prev_state", "i64", "#", "long"],
    ]


def test_everything_of_a_name() -> None:
    lines = [re.sub(r"  #.*", "", line) for line in listed("sched_switch")]
    assert lines[0] == '@tracepoint("sched:sched_switch")  (ctx: TracepointContext)'
    assert lines[1].startswith('@tp_btf("sched_switch")  (preempt: bool, prev: Ptr[task_struct], ')


def test_functions_with_their_types() -> None:
    (line,) = listed("vfs_read")
    assert line.startswith('@fentry("vfs_read")  (file: Ptr[file], buf: u64, count: u64, ')
    assert ") -> i64" in line


def test_system_calls() -> None:
    (line,) = listed("openat", "-k", "syscall")
    params = "(ctx: KprobeContext, dfd: i32, filename: UserPtr[u8], flags: i32, mode: u16)"
    assert line == f'@ksyscall("openat")  {params}'


@pytest.mark.thorough
def test_iterators_and_hooks_of_security_modules() -> None:
    visits = '@iter("task")  (ctx: IterContext, task: Ptr[task_struct] | None)'
    assert visits in listed("*", "--kind", "iter")
    if kernel_btf().find_all("bpf_lsm_file_open"):
        assert listed("file_open", "-k", "lsm") == ['@lsm("file_open")  (file: Ptr[file]) -> i32']


@pytest.mark.thorough
def test_symbols() -> None:
    (line,) = listed("strlen", "-b", "c")
    found = re.fullmatch(r'@uprobe\("(/.*)", "strlen"\)  \(ctx: UprobeContext\)', line)
    assert found
    mine = listed("strlen", "-p", os.getpid(), "-k", "symbol")
    assert line.replace('")', f'", pid={os.getpid()})') in mine


@pytest.mark.thorough
def test_json_has_all() -> None:
    rows = [json.loads(line) for line in listed("-j", "sched_*", "-k", "tp_btf")]
    switch = next(row for row in rows if row["name"] == "sched_switch")
    assert (switch["kind"], switch["code"]) == ("tp_btf", '@tp_btf("sched_switch")')
    assert {"name": "prev", "type": "Ptr[task_struct]"} in switch["params"]
    assert [row["name"] for row in rows] == sorted(row["name"] for row in rows)


@pytest.mark.thorough
def test_a_long_list_is_cut_and_says_so() -> None:
    code, out, err = pyebpf("list", "*", "-k", "tp_btf", "-n", "3")
    assert (code, len(out.splitlines())) == (0, 3)
    assert re.fullmatch(r"pyebpf: \d+ more of kind tp_btf: -n 0 lists all of them\n", err)
    assert len(listed("*", "-k", "tp_btf", "-n", "0")) > 100


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sched_swithc"], "nothing matches 'sched_swithc'; did you mean `sched_switch`"),
        (["zzzzzzzz*"], "nothing matches 'zzzzzzzz*'\n"),
        (["qqqq_zz"], "nothing is called 'qqqq_zz'; '*qqqq_zz*' finds it inside of names\n"),
        (["x", "-p", "4194305"], "there is no process 4194305: No such file or directory\n"),
        (["x", "-b", "/etc/passwd"], "/etc/passwd: not a"),
        (["x", "-b", "no_such_library"], "there is no library libno_such_library.so"),
    ],
)
def test_nothing_is_found(words: list[str], said: str) -> None:
    code, out, err = pyebpf("list", *words)
    assert (code, out) == (1, "")
    assert said in err
    assert "Traceback" not in err


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "list takes one PATTERN"),
        (["a", "b"], "list takes one PATTERN"),
        (["a", "-k", "functoin"], "there is no kind 'functoin'; did you mean `function`?"),
        (["a", "-k", "symbol"], "kind 'symbol' is listed with -p PID or -b FILE"),
        (["a", "-k", "iter", "-b", "c"], "kind 'iter' is listed without -p and -b"),
        (["a", "-p", "me"], "-p: 'me' is no whole number"),
        (["a", "-n", "-1"], "-n: '-1' is no count; 0 is for all"),
        (["/(/"], "/(/ is no regular expression: missing )"),
    ],
)
def test_wrong_words(words: list[str], said: str) -> None:
    code, out, err = pyebpf("list", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"pyebpf: {said}")
    assert "\nusage: pyebpf list [options] PATTERN\n" in err


@pytest.mark.thorough
def test_types_are_listed_to_all() -> None:
    code, out, err = pyebpf("list", "block_rq_complete", prepare=drop_capabilities)
    assert code == 0
    assert '@tp_btf("block_rq_complete")  (rq: Ptr[request], error: ' in out
    # Where tracefs is mounted, its owner may read it even without capabilities.
    if '@tracepoint("block:block_rq_complete")' not in out:
        assert err.startswith("pyebpf: kind tracepoint is left out: ")
        assert pyebpf("list", "sched:*", prepare=drop_capabilities)[0] == 1


@pytest.mark.thorough
def test_a_kernel_without_types_lists_tracepoints() -> None:
    code, out, err = isolated(NO_TYPES, "list", "sched_switch")
    assert code == 0
    assert '@tracepoint("sched:sched_switch")  (ctx: TracepointContext)\n' in out
    assert "kind tp_btf is left out: the target kernel has no BTF" in err


KINDS = {
    "tracepoint": ("tracepoint",),
    "tp_btf": ("tp_btf",),
    "function": ("fentry", "kprobe"),
    "syscall": ("ksyscall",),
    "lsm": ("lsm",),
    "iter": ("iter",),
}


@pytest.mark.thorough
def test_what_is_listed_compiles(tmp_path: Path) -> None:
    """What a list says is pasted, and compiled: some of each kind, others at every commit."""
    sources, chosen = Sources(host_target()), random.Random(7)
    for name, decorators in KINDS.items():
        kind = KERNEL_KINDS[name](sources)
        every = sorted(set(kind.names()))
        for entry in map(kind.describe, chosen.sample(every, min(20, len(every)))):
            if '"' in entry.signature:
                continue  # an argument that no probe can hold
            file = tmp_path / f"{name}_{len(list(tmp_path.iterdir()))}.py"
            file.write_text(pasted(entry))
            (probe,) = read_program(str(file)).probes
            assert [info.kind in decorators for info in compile_probes(probe).programs] == [True]


def pasted(entry: Any) -> str:
    lines = ["from pyebpf import *", "from pyebpf import iter"]
    types = {*re.findall(r"Ptr\[(\w+)\]", entry.signature)} - {"u8"}
    lines += [f"from pyebpf.kernel import {name}" for name in types]
    parameters = entry.signature.rpartition(" -> ")[0] or entry.signature
    result, body = ("i32", "return 0") if entry.kind == "lsm" else ("None", "pass")
    return "\n".join([*lines, entry.code, f"def probe{parameters} -> {result}:", f"    {body}\n"])


# compile


@pytest.mark.thorough
def test_compile_takes_constants_and_single_probes(tmp_path: Path) -> None:
    plain, queued, one = (tmp_path / name for name in ("plain.o", "queued.o", "one.o"))
    assert pyebpf("compile", BIOLATENCY, "-o", plain) == (
        0, f"{plain}: on_issue, on_complete\n", "",
    )  # fmt: skip
    assert pyebpf("compile", BIOLATENCY, "-D", "queued", "-o", queued)[0] == 0
    assert pyebpf("compile", f"{BIOLATENCY}:on_issue", "-o", one) == (0, f"{one}: on_issue\n", "")
    objects = [elf.parse_object(path.read_bytes()) for path in (plain, queued, one)]
    assert [len(spec.programs) for spec in objects] == [2, 3, 1]
    assert plain.read_bytes() != queued.read_bytes()


@pytest.mark.thorough
def test_compile_needs_no_privileges(tmp_path: Path) -> None:
    file, made = tmp_path / "probe.py", tmp_path / "probe.o"
    file.write_text(
        "from pyebpf import Ptr, tp_btf\nfrom pyebpf.kernel import request\n"
        '@tp_btf("block_rq_issue")\ndef issue(rq: Ptr[request]) -> None:\n    pass\n'
    )
    done = pyebpf("compile", file, "-o", made, prepare=drop_capabilities)
    assert done == (0, f"{made}: issue\n", "")
    assert made.read_bytes()[:4] == b"\x7fELF"


@pytest.mark.thorough
def test_bpftool_loads_what_is_compiled(program: Callable[[str], str], tmp_path: Path) -> None:
    bpftool, made, folder = program("bpftool"), tmp_path / "counted.o", tmp_path / "bpf"
    folder.mkdir()
    file = tmp_path / "counted.py"
    file.write_text(
        "from pyebpf import Const, Hash, raw_tracepoint, tgid, u32, u64\n"
        "pid = Const(0, '--pid')\ncalls = Hash[u32, u64](max_entries=8)\n"
        "@raw_tracepoint('sys_enter')\ndef counted() -> int:\n"
        "    if tgid() == pid:\n        calls[pid] += 1\n    return 0\n"
    )
    assert pyebpf("compile", file, "-D", "pid=1234", "-o", made)[0] == 0
    script = (
        f"mount -t bpf none {folder} && {bpftool} prog loadall {made} {folder}/p && ls {folder}/p"
    )
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["counted"]), done.stderr


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["no/such.py", "-o", "x.o"], 1, "no/such.py: No such file or directory"),
        (["no.such.module", "-o", "x.o"], 1, "there is no file and no module 'no.such.module'"),
        ([BIOLATENCY, "-D", "queud", "-o", "x.o"], 2, "there is no constant `queud`; did you mean"),
        ([BIOLATENCY, "-o", "/no/such/folder/x.o"], 1, "No such file or directory"),
    ],
)
def test_what_cannot_be_compiled(words: list[str], code: int, said: str) -> None:
    done = pyebpf("compile", *words)
    assert (done[0], done[1]) == (code, "")
    assert said in done[2]
    assert "Traceback" not in done[2]


# all of them


@pytest.mark.thorough
@pytest.mark.parametrize("words", [["doctor"], ["list", "*", "-n", "0"], ["doctor", "-j"]])
def test_nobody_reads_what_is_said(words: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    process = start("-m", "pyebpf", *words, stdout=write)
    os.close(write)
    _, err = process.communicate()
    lines = [line for line in err.decode().splitlines() if not line.startswith("pyebpf: kind ")]
    assert (process.returncode, lines) == (141, [])


ASKED = """
from pyebpf import *

pid = Const(0, "--pid")
asked = Events[u64]()

@tracepoint("syscalls:sys_enter_getpriority")
def on_call() -> None:
    if tgid() == pid:
        asked.emit(1)
"""
LASTING = {"run": "Hit Ctrl-C to end.", "record": "recording; Ctrl-C ends it"}


@pytest.mark.thorough
@pytest.mark.parametrize("verb", LASTING)
def test_what_lasts_says_how_to_end_it_and_ends_in_good_order(verb: str, tmp_path: Path) -> None:
    program, made = tmp_path / "asked.py", tmp_path / "asked.npy"
    program.write_text(ASKED)
    words = ["-m", "pyebpf", verb, str(program), "-D", f"pid={os.getpid()}"]
    words += ["-o", str(made)] if verb == "record" else []
    with at_terminal(*words) as terminal:
        terminal.wait(lambda: LASTING[verb] in terminal.seen)
        os.getpriority(os.PRIO_PROCESS, 0)
        terminal.press("\x03")
        assert terminal.end() == 0
        rest = terminal.seen.rpartition("\x1b[K")[2] or terminal.seen
    said = "asked: 1\r\n" if verb == "run" else f"{made}\r\nasked: 1 received, 0 lost"
    assert said in rest


def test_all_that_lasts_is_tested() -> None:
    helps = {name: COMMANDS[name].module.ARGUMENTS.help() for name in COMMANDS}
    assert {name for name, text in helps.items() if "ended by Ctrl-C" in text} == {*LASTING}


#: Whose output has colours at a terminal. What is printed of a program's own has none.
COLOURED = {"doctor", "list", "inspect"}


@pytest.mark.thorough
def test_colours_are_for_terminals_and_for_those_who_want_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "asked.py"
    program.write_text(ASKED)
    words = {
        "tools": [], "doctor": [], "list": ["openat", "-k", "syscall"], "completion": ["fish"],
        "run": [program, "-s", "0.1"], "compile": [program, "-o", tmp_path / "asked.o"],
        "inspect": [program, "-w", "source,bpf"], "stubs": [program, "-o", tmp_path / "stubs"],
        "record": [program, "-s", "0.1", "-o", tmp_path / "asked.npy"],
        "replay": [tmp_path / "asked.npy", "--about"],
    }  # fmt: skip
    assert words.keys() == COMMANDS.keys()

    def at(verb: str) -> str:
        (tmp_path / "asked.npy").unlink(missing_ok=True)
        if verb == "replay":
            assert pyebpf("record", *words["record"])[0] == 0
        with at_terminal("-m", "pyebpf", verb, *map(str, words[verb])) as terminal:
            assert terminal.end() == 0, terminal.seen
            return terminal.seen

    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    assert {verb for verb in words if "m" in escapes(at(verb))} == COLOURED
    monkeypatch.setenv("NO_COLOR", "1")
    assert [verb for verb in COLOURED if "m" in escapes(at(verb))] == []
    monkeypatch.delenv("NO_COLOR")
    for verb in COLOURED:
        assert escapes(pyebpf(verb, *words[verb])[1]) == set()
    monkeypatch.setenv("FORCE_COLOR", "1")
    for verb in COLOURED:
        assert escapes(pyebpf(verb, *words[verb])[1]) == {"m"}


def escapes(text: str) -> set[str]:
    """Return the last letters of what would be obeyed by a terminal."""
    return set(re.findall(r"\x1b\[[0-9;?]*([A-Za-z])", text))


# inspect

INSPECTED = """
from pyebpf import Hash, ktime_get_ns, raw_tracepoint, tgid, u32, u64

table = Hash[u32, u64](max_entries=8)

@raw_tracepoint("sys_enter")
def keeps() -> int:
    found = table.get(tgid())
    if found is not None:
        table[tgid()] = found + ktime_get_ns()
    return 0
"""


@pytest.fixture
def inspected(tmp_path: Path) -> Path:
    file = tmp_path / "probe.py"
    file.write_text(INSPECTED)
    return file


@pytest.mark.thorough
def test_the_four_sides_of_a_program(inspected: Path) -> None:
    code, out, err = pyebpf("inspect", inspected)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert re.fullmatch(r"keeps: raw_tp/sys_enter, \d+ instructions", lines[0])
    assert lines[1] == "probe.py:8  found = table.get(tgid())"
    assert "helper map_lookup_elem" in out
    look_up = next(n for n, line in enumerate(lines) if "call bpf_map_lookup_elem" in line)
    assert re.match(r" +R0=map_value_or_null\(.*ks=4,vs=8", lines[look_up + 1])
    assert re.search(r"(?m)^ +\d+: \(0f\) r\d \+= r\d  ; .*r\d: found", out)
    assert lines[-1] == ""


@pytest.mark.thorough
def test_some_sides_of_a_program(inspected: Path) -> None:
    code, out, _ = pyebpf("inspect", inspected, "-w", "source,bpf")
    assert code == 0
    assert not re.search(r"map_value|%\d", out)
    assert re.search(r"(?m)^ +0: \(85\) call bpf_get_current_pid_tgid#14$", out)
    assert "probe.py:10  table[tgid()] = found + ktime_get_ns()" in out


@pytest.mark.thorough
def test_an_object_is_inspected(inspected: Path, tmp_path: Path) -> None:
    made = tmp_path / "probe.o"
    assert pyebpf("compile", inspected, "-o", made)[0] == 0
    code, out, err = pyebpf("inspect", made, "--program", "keeps", "-v")
    assert (code, err) == (0, "")
    assert "probe.py:8  found = table.get(tgid())" in out
    # With -v also what the instruction left as it was: registers, or the stack.
    assert re.search(r"R0=map_value_or_null\(.*  (R\d+|fp-\d+)=", out)
    code, _, err = pyebpf("inspect", made, "--program", "kepes")
    assert (code, err) == (1, "pyebpf: there is no program 'kepes'; did you mean `keeps`?\n")


@pytest.mark.thorough
def test_without_privileges_three_sides(inspected: Path) -> None:
    code, out, err = pyebpf("inspect", inspected, prepare=drop_capabilities)
    assert (code, err) == (0, "")
    assert "\nwithout what the verifier knows: " in out
    assert "CAP_BPF" in out.splitlines()[1]
    assert "helper map_lookup_elem" in out
    assert "call bpf_map_lookup_elem" in out


@pytest.mark.thorough
def test_a_refused_program(inspected: Path, tmp_path: Path) -> None:
    """A damaged object: where a look-up is tested, the test is taken out."""
    made = tmp_path / "probe.o"
    assert pyebpf("compile", inspected, "-o", made)[0] == 0
    data = made.read_bytes()
    test = next(m for m in re.finditer(rb"\x15\x00..\x00\x00\x00\x00", data, re.DOTALL))
    nothing = b"\xbf" + bytes(7)  # r0 = r0
    made.write_bytes(data[: test.start()] + nothing + data[test.end() :])
    code, out, err = pyebpf("inspect", made)
    assert (code, err) == (1, "")
    assert re.search(r"(?m)^ +\d+: \(79\) .*  <-- refused$", out)
    assert "error[E0501]" in out
    assert "probe.py:8" in out


# run

SHOWN = """
from pyebpf import *

pid = Const(0, "-p", "--pid")
by_call = Hash[u32, u64](max_entries=64)
calls = Count()
cells = Array[u64](8)
per_cpu = PerCpuArray[u64](4)
unused = Hash[u32, u64](max_entries=4)


@record
class Asked:
    who: i32
    comm: Char = chars(16)


asked = Events[Asked]()


@tracepoint("syscalls:sys_enter_getpriority")
def on_call(ctx: TracepointContext) -> None:
    if tgid() == pid:
        by_call[ctx.who] += 1
        cells[3] += 1
        per_cpu[1] += 1
        calls.add()
        if ctx.who == 7:
            print("seven")
            with asked.reserve() as e:
                e.who, e.comm = ctx.who, comm()
"""


@pytest.mark.thorough
def test_a_program_is_run_and_shown(tmp_path: Path) -> None:
    program = tmp_path / "shown.py"
    program.write_text(SHOWN)
    define = f"pid={os.getpid()}"
    with running("-m", "pyebpf", "run", str(program), "-n", "2", "-D", define) as tool:
        tool.wait_for("Hit Ctrl-C to end.")
        for who in (5, 6, 6, 7, 7, 7):
            with contextlib.suppress(ProcessLookupError):
                os.getpriority(os.PRIO_PROCESS, who)
        done = tool.interrupt()
    name = Path("/proc/self/comm").read_text(encoding="utf-8").strip()
    assert (done.code, done.err) == (0, "")
    lines = [line for line in done.out.splitlines() if line]
    assert lines.count("seven") == lines.count(f"asked: who=7 comm={name}") == 3
    held = lines[6:]
    assert held[:5] == ["by_call:", "  7: 3", "  6: 2", "  … and 1 more", "calls:"]
    assert held[6:] == ["cells:", "  3: 6", "per_cpu:", held[-1]]
    assert sum(map(int, re.findall(r"\d+", held[-1])[1:])) == 6
