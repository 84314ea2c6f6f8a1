"""What stubs say of types, tracepoints and functions whose shape we know."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyebpf.btf import types as t
from pyebpf.btf.write import Builder
from pyebpf.cli import main
from pyebpf.cli import stubs as command
from pyebpf.dsl.check.kernel_types import Kernel
from pyebpf.errors import KernelError
from pyebpf.spec.target import FrozenTracepoints, Target
from pyebpf.stubs import Wanted, in_program, matching, python_files, similar, write
from pyebpf.stubs.types import TypeStubs
from pyebpf.testing.frozen import fields
from tests import frozen

b = Builder()
INT = b.add_int("int", 4, signed=True)
CHAR = b.add_int("char", 1, encoding=t.CHAR)
LONG = b.add_int("long unsigned int", 8)
WIDE = b.add_int("__int128", 16, signed=True)
BOOL = b.add_int("_Bool", 1, encoding=t.BOOL)
SIZE = b.add_typedef("size_t", LONG)
TEXT = b.add_array(CHAR, 16)
INNER = b.add_struct("", 8, [("a", INT, 0), ("b", INT, 32)])
EITHER = b.add_union("", 8, [("", INNER, 0), ("both", LONG, 0)])
NODE = b.add_struct("node", 8, [("next", b.next_id + 1, 0)])
b.add_ptr(NODE)
ATOMIC = b.add_typedef("atomic_t", b.add_struct("", 4, [("counter", INT, 0)]))
OTHER_NODE = b.add_struct("node", 4, [("number", INT, 0)])
KEYWORD = b.add_struct("class", 4, [("in", INT, 0), ("name", b.add_ptr(CHAR), 0)])
FLAVOUR = b.add_struct("node___init", 8, [("next", INT, 0)])
ENUM = b.add_enum("colour", {"RED": 0, "from": 1})
USER = b.add_ptr(b.add(t.TypeTag("user", NODE)))
THING = b.add_struct(
    "thing", 256,
    [("", EITHER, 0), ("name", TEXT, 64), ("flag", INT, 192, 3), ("is_on", BOOL, 256),
     ("sub", INNER, 320), ("_sub", INT, 384), ("count", ATOMIC, 416), ("size", SIZE, 448),
     ("nodes", b.add_array(NODE, 4), 512), ("grid", b.add_array(b.add_array(INT, 3), 2), 768),
     ("node", b.add_ptr(NODE), 960), ("other", b.add_ptr(OTHER_NODE), 1024),
     ("argv", b.add_ptr(b.add_ptr(CHAR)), 1088), ("what", b.add_ptr(), 1152),
     ("call", b.add_ptr(b.add_proto(0)), 1216), ("wide", WIDE, 1280), ("hue", ENUM, 1408),
     ("group", b.add_ptr(KEYWORD), 1472), ("user", USER, 1536), ("init", b.add_ptr(FLAVOUR), 1600),
     ("lambda", INT, 1664), ("ages", b.add_ptr(INT), 1728)],
)  # fmt: skip
b.add_typedef("alias_t", THING)
DO = b.add_func("bpf_do", b.add_proto(INT, [("how", INT)]))
b.add(t.DeclTag("bpf_kfunc", DO))
b.add_func("bpf_other", b.add_proto(INT))
KERNEL = Kernel(Target(b.build()))

EXPECTED = """\
class thing(_Object):
    a: _F[_int]
    b: _F[_int]
    both: _F[_int]
    name: _F[_Text]
    flag: _F[_int]
    is_on: _F[_bool]
    class _sub_(_Object):
        a: _F[_int]
        b: _F[_int]
    sub: _F[_sub_]
    _sub: _F[_int]
    count: _F[_k.atomic_t]
    size: _F[_int]
    nodes: _F[_Array[_k.node]]
    grid: _F[_Array[_Array[_int]]]
    node: _F[_Ptr[_k.node]]
    other: _F[_Ptr[_k.node__2]]
    argv: _F[_Pointer[_Any]]
    what: _F[_int]
    call: _F[_int]
    wide: _F[_Any]
    hue: _F[_int]
    group: _F[_Ptr[_k.class_]]
    user: _F[_UserPtr[_k.node]]
    init: _F[_Ptr[_k.node]]
    ages: _F[_Pointer[_int]]
"""


def text_of(*names: str) -> str:
    stubs = TypeStubs(KERNEL)
    assert all(stubs.name(name) for name in names)
    return stubs.text()


def test_a_struct_has_what_a_probe_sees() -> None:
    text = text_of("thing")
    assert EXPECTED in text
    assert "class node(_Object):\n    next: _F[_Ptr[_k.node]]\n" in text
    assert "class node__2(_Object):\n    number: _F[_int]\n" in text
    assert "class class_(_Object):\n    name: _F[_Any]\n" in text
    assert text.startswith('__all__ = [\n    "atomic_t",\n    "node",\n    "thing",\n]\n')


def test_other_types() -> None:
    text = text_of("colour", "size_t", "alias_t", "atomic_t")
    assert "class colour:\n    RED: _F[_int]\n" in text
    assert "size_t: _TypeAlias = _int\n" in text
    assert "alias_t: _TypeAlias = thing\n" in text
    assert "class atomic_t(_Object):\n    counter: _F[_int]\n" in text
    assert not TypeStubs(KERNEL).name("nothing")
    assert not TypeStubs(KERNEL).name("class")


def test_the_order_of_names_does_not_matter() -> None:
    assert text_of("thing", "colour", "node") == text_of("node", "colour", "thing")


POINTS = FrozenTracepoints(
    {
        "a:event": fields(
            ("name", "__data_loc char[]", 8, 4, False),
            ("numbers", "__data_loc u32[]", 12, 4, False),
            ("address", "u8[6]", 16, 6, False),
            ("node", "struct node *", 24, 8, False),
            ("from", "int", 32, 4, True),
            ("odd", "struct node", 40, 12, False),
        ),
        "b:event_of_b": fields(("ret", "long", 8, 8, True)),
        "c:other": fields(("comm", "char[16]", 8, 16, False)),
    }
)
EVENT = '''
class event(_Fields):
    """``a:event``"""
    name: _F[_Text]
    numbers: _F[_ArrayOfAnyLength]
    address: _F[_Array[_int]]
    node: _F[_Ptr[_k.node]]
    odd: _F[_Any]
'''


def written(folder: Path, wanted: Wanted, target: Target) -> dict[str, str]:
    made = write(wanted, target, folder, "A kernel.")
    texts = {path.stem: path.read_text() for path in made.folder.iterdir()}
    assert made.size == sum(len(text) for text in texts.values())
    return texts


def test_tracepoints(tmp_path: Path) -> None:
    wanted = Wanted(tracepoints=frozenset({"a:event", "event", "other", "x:event", "none"}))
    target = Target(b.build(), tracepoints=POINTS)
    made = write(wanted, target, tmp_path, "A kernel.")
    assert (made.types, made.tracepoints, made.unknown) == (1, 2, ("none", "x:event"))
    text = (made.folder / "tracepoints.pyi").read_text()
    assert EVENT in text
    assert 'class other(_Fields):\n    """``c:other``"""\n    comm: _F[_Text]\n' in text
    assert "event_of_b" not in text
    assert "class node(" in (made.folder / "types.pyi").read_text()


def test_functions(tmp_path: Path) -> None:
    names = {"bpf_task_from_pid", "bpf_task_release", "bpf_strlen", "bpf_cpumask_weight", "bpf_no"}
    made = write(Wanted(kfuncs=frozenset(names)), frozen.target(), tmp_path, "A kernel.")
    assert (made.kfuncs, made.unknown) == (4, ("bpf_no",))
    text = (made.folder / "kfuncs.pyi").read_text()
    assert "def bpf_task_from_pid(pid: _int, /) -> _Ptr[_k.task_struct] | None: ...\n" in text
    assert "def bpf_task_release(p: _Ptr[_k.task_struct], /) -> None: ...\n" in text
    assert "def bpf_strlen(s__ign: _Any, /) -> _int: ...\n" in text


def test_the_same_names_give_the_same_bytes_and_nothing_else_is_left(tmp_path: Path) -> None:
    wanted = Wanted(frozenset({"request", "pid_t"}), frozenset({"sched_switch"}))
    first = written(tmp_path, wanted, frozen.target())
    assert written(tmp_path, wanted, frozen.target()) == first
    assert first["types"].startswith('"""A kernel. Made by `pyebpf stubs`')
    smaller = written(tmp_path, Wanted(frozenset({"pid_t"})), frozen.target())
    assert sorted(smaller) == ["__init__", "kfuncs", "tracepoints", "types"]
    assert "class" not in smaller["types"] + smaller["tracepoints"]


PROGRAM = """
import pyebpf.kernel as kt
from pyebpf import current_task, kernel, kfunc, tracepoint
from pyebpf.kernel import request as r, task_struct
from pyebpf.kfuncs import bpf_strlen
from pyebpf.tracepoints import sched_switch

release = kfunc("bpf_task_release")
x = kernel.file, kt.dentry, other.kernel.nothing, pyebpf.kernel.inode

@tracepoint("sched:sched_wakeup")
def probe(ctx): ...
"""


def test_what_a_program_names(tmp_path: Path) -> None:
    file = tmp_path / "probe.py"
    file.write_text(PROGRAM)
    found = in_program(file)
    assert found.types == {"request", "task_struct", "file", "dentry", "inode"}
    assert found.tracepoints == {"sched_switch", "sched:sched_wakeup"}
    assert found.kfuncs == {"bpf_strlen", "bpf_task_release"}
    file.write_text("from pyebpf import helpers\nx = helpers.get_current_task_btf()\n")
    assert in_program(file).types == {"task_struct"}
    file.write_text("def broken(")  # of somebody else: it is not even parsed
    assert not in_program(file)
    file.write_text("import pyebpf\ndef broken(")
    with pytest.raises(SyntaxError):
        in_program(file)


def test_which_files_are_looked_at(tmp_path: Path) -> None:
    for name in ("b.py", "a/c.py", ".git/d.py", "env/lib/e.py", "a/readme.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "env" / "pyvenv.cfg").touch()
    assert [str(p.relative_to(tmp_path)) for p in python_files(tmp_path)] == ["b.py", "a/c.py"]


def test_patterns() -> None:
    kernel = Kernel(frozen.target())
    points = frozen.target().tracepoints
    assert matching("request", kernel, points) == Wanted(frozenset({"request"}))
    assert matching("bpf_strlen", kernel, points) == Wanted(kfuncs=frozenset({"bpf_strlen"}))
    assert matching("request*", kernel, points).types >= {"request", "request_queue"}
    assert matching("sched:*", kernel, points).tracepoints >= {"sched:sched_switch"}
    assert not matching("sched:*", kernel, points).types
    assert not matching("requst", kernel, points)
    assert "`request`" in similar("requst", kernel, points)
    assert "`sched:sched_switch`" in similar("sched:sched_swich", kernel, points)


def test_a_pattern_takes_functions_that_the_kernel_marks() -> None:
    points = FrozenTracepoints()
    assert matching("bpf_*", KERNEL, points) == Wanted(kfuncs=frozenset({"bpf_do"}))
    assert not matching("bpf_other", KERNEL, points)
    # Before Linux 6.10 no kernel says which these are: they have to be named.
    assert matching("bpf_strlen*", Kernel(frozen.target()), points) == Wanted()


class Locked:
    """Tracepoints of a system that keeps them for root."""

    def names(self) -> tuple[str, ...]:
        raise KernelError(1, "reading tracefs failed: EPERM", capability="CAP_SYS_ADMIN")


def test_without_root_there_are_types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = frozen.target().replace(tracepoints=Locked())
    monkeypatch.setattr(command, "host_target", lambda: target)
    (tmp_path / "probe.py").write_text(PROGRAM)
    assert main(["stubs", "-o", str(tmp_path), str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.err.startswith(
        "pyebpf: no tracepoints are written: reading tracefs failed: EPERM\n"
    )
    assert " types, 0 tracepoints, 2 kfuncs, " in said.out
    assert "class request(" in (tmp_path / "pyebpf_stubs" / "types.pyi").read_text()
    assert main(["stubs", "-o", str(tmp_path), "sched:*"]) == 1
    assert capsys.readouterr() == ("", "pyebpf: reading tracefs failed: EPERM\n")
    assert main(["stubs", "-o", str(tmp_path), "request"]) == 0


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stubs", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: pyebpf stubs [-o DIR] [WHAT ...]\n")
