"""``first_of``: which way is taken of those that a kernel has, and what is said of the others."""

from __future__ import annotations

from typing import Any

import pytest

from pyebpf import (
    Array,
    Const,
    Count,
    Hash,
    KprobeContext,
    Ptr,
    RawTracepointContext,
    SkBuffContext,
    attach_cookie,
    compile_probes,
    fentry,
    fexit,
    first_of,
    i64,
    kprobe,
    kretprobe,
    raw_tracepoint,
    socket_filter,
    tid,
    tp_btf,
    u32,
    u64,
    uprobe,
)
from pyebpf.dsl.choose import choose
from pyebpf.dsl.collect import collect
from pyebpf.dsl.fingerprint import fingerprint
from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.errors import CompileError, NotSupportedError, PyebpfError
from pyebpf.explained import words as explain
from pyebpf.kernel import file, task_struct, thing_of_tomorrow
from pyebpf.plain import Frozen
from pyebpf.spec.target import Lack
from pyebpf.testing import run, target

counts = Array[u64](max_entries=2)
inside = Hash[u32, Ptr[file]](max_entries=64)
enabled = Const(True, "-e", help="for a test")


@first_of(fentry("vfs_read"), kprobe("vfs_read"))
def begins(file: Ptr[file], buf: u64, count: u64) -> None:
    counts[0] += count


@fexit("vfs_read")
def by_exit(file: Ptr[file], ret: i64) -> None:
    counts[0] += file.f_inode.i_ino
    counts[1] += ret


@kprobe("vfs_read")
def enter(file: Ptr[file]) -> None:
    inside[tid()] = file


@kretprobe("vfs_read")
def leave(ret: i64) -> None:
    entered = inside.pop(tid())
    if entered is not None:
        counts[0] += entered.f_inode.i_ino
        counts[1] += ret


ends = first_of(by_exit, (enter, leave), name="ends")


@tp_btf("sched_switch")
def another_order(prev: Ptr[task_struct]) -> None:
    counts[0] = prev.pid


@tp_btf("sched_switch", when=enabled)
def this_order(preempt: bool, prev: Ptr[task_struct]) -> None:
    counts[1] = prev.pid


class Doubtful(Frozen):
    """Features of which nothing can be told, as without privileges."""

    def has(self, _: str) -> bool:
        return False

    def lack(self, _: str) -> Lack | None:
        return Lack("EPERM", is_sure=False)


def test_the_first_way_is_taken_that_the_kernel_has() -> None:
    compiled = compile_probes(begins, target=target())
    assert [(info.name, info.kind) for info in compiled.programs] == [("begins", "fentry")]
    assert compiled.programs[0].notes == ()
    compiled = compile_probes(begins, target=target(without=["prog:fentry"]))
    assert [(info.name, info.kind) for info in compiled.programs] == [("begins", "kprobe")]
    assert "instead of fentry vfs_read: this kernel lacks prog:fentry" in explain(compiled)


def test_a_way_may_be_several_probes() -> None:
    lacking = target(without=["prog:fexit"])
    kinds = [(info.name, info.kind) for info in compile_probes(ends, target=lacking).programs]
    assert kinds == [("enter", "kprobe"), ("leave", "kretprobe")]
    kinds = [(info.name, info.kind) for info in compile_probes(ends, target=target()).programs]
    assert kinds == [("ends", "fexit")]


@pytest.mark.parametrize("without", [[], ["prog:fexit"]])
def test_both_ways_give_the_same_to_a_test_in_user_space(without: list[str]) -> None:
    t = run(ends, target=target(without=without))
    opened = {"f_inode": {"i_ino": 77}}
    if without:
        t.fire(enter, opened)
        t.fire(leave, 12)
    else:
        t.fire(ends, opened, 12)
    assert t[counts].view().tolist() == [77, 12]


def test_what_a_hook_passes_decides_too() -> None:
    switch = first_of(another_order, this_order)
    compiled = compile_probes(switch, target=target())
    assert [info.name for info in compiled.programs] == ["this_order"]
    said = (
        "tp_btf sched_switch: `prev` does not match tp_btf sched_switch, the kernel passes `bool`"
    )
    assert said in explain(compiled)


def test_a_kernel_without_any_way_is_told_why_for_each() -> None:
    with pytest.raises(NotSupportedError) as error:
        compile_probes(begins, target=target(without=["prog:fentry", "kprobe_attach"]))
    assert str(error.value).splitlines() == [
        "this kernel has no way to run `begins`:",
        "  fentry vfs_read: this kernel lacks prog:fentry",
        "  kprobe vfs_read: this kernel lacks kprobe_attach",
    ]


def test_names_are_offered_only_where_no_way_is_left() -> None:
    """To look for them takes longer than all the rest of choosing."""
    function = begins.ways[0][0].function
    offers = "`vfs_raed`, not found; did you mean `vfs_read`"
    another = first_of(fentry("vfs_raed"), kprobe("vfs_read"))(function)
    said = explain(compile_probes(another, target=target()))
    assert "`vfs_raed`, not found" in said
    assert "did you mean" not in said
    none = first_of(fentry("vfs_raed"), fentry("no_such_function_at_all"))(function)
    with pytest.raises(NotSupportedError, match=offers):
        compile_probes(none, target=target())


def test_what_is_optional_is_done_without() -> None:
    optional = first_of(fentry("vfs_read"), kprobe("vfs_read"), optional=True)(
        begins.ways[0][0].function
    )
    chosen = choose([optional], target(), {})
    assert (chosen.picks, len(chosen.notes)) == ((0,), 1)
    nothing = target(without=["prog:fentry", "kprobe_attach"])
    assert choose([optional], nothing, {}).picks == (2,)
    compiled = compile_probes(
        optional, ends, target=target(without=["prog:fentry", "kprobe_attach"])
    )
    assert [info.name for info in compiled.programs] == ["ends"]
    with pytest.raises(PyebpfError, match="none of the optional hooks:\n  fentry vfs_read: this"):
        compile_probes(optional, target=nothing)
    refused = {(optional, 0): "it may not be traced", (optional, 1): "nor so"}
    assert choose([optional], target(), {}, refused).picks == (2,)


def test_what_was_refused_is_passed_over() -> None:
    chosen = choose([begins], target(), {}, {(begins, 0): "it may not be traced"})
    assert chosen.picks == (1,)
    (notes,) = chosen.notes.values()
    assert notes == ("instead of fentry vfs_read: it may not be traced",)


def test_where_nothing_can_be_told_the_best_is_assumed() -> None:
    chosen = choose([begins, ends], target().replace(features=Doubtful()), {})
    assert chosen.picks == (0, 0)


def test_a_mistake_is_no_reason_to_choose_another_way() -> None:
    @tp_btf("sched_switch")
    def mistaken(preempt: bool, prev) -> None:  # type: ignore[no-untyped-def]
        counts[0] += 1

    with pytest.raises(CompileError, match="parameter `prev` has no usable type"):
        compile_probes(first_of(mistaken, this_order), target=target())


def test_a_way_with_a_type_that_this_kernel_lacks_is_passed_over() -> None:
    @kprobe("function_of_tomorrow")  # whose arguments no types describe, either
    def newer(thing: Ptr[thing_of_tomorrow]) -> None:
        counts[0] += 1

    chosen = choose([first_of(newer, this_order)], target(), {})
    assert chosen.picks == (1,)
    ((note,),) = chosen.notes.values()
    assert "this kernel has no type `thing_of_tomorrow`" in note


def test_a_way_that_is_switched_off_is_passed_over() -> None:
    off = {enabled: False}
    only = first_of(this_order)
    with pytest.raises(PyebpfError, match="no probe has a hook that is enabled"):
        compile_probes(only, target=target(), options=off)
    compiled = compile_probes(only, begins, target=target(), options=off)
    assert [info.name for info in compiled.programs] == ["begins"]


def test_what_is_kept_of_a_start_depends_on_how_probes_are_grouped() -> None:
    texts = set()
    for given in ((first_of(enter, leave),), (first_of((enter, leave)),), (enter, leave)):
        texts.add(fingerprint(given, collect(given), {}, 1))
    assert len(texts) == 3


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(PyebpfError, match="ways to choose from"):
        first_of()
    with pytest.raises(PyebpfError, match="takes decorators"):
        first_of(fentry("vfs_read"), enter)  # type: ignore[call-overload]
    with pytest.raises(PyebpfError, match="tuples of probes that belong together"):
        first_of((enter, leave), ())
    with pytest.raises(PyebpfError, match="stands alone"):
        first_of(fentry("vfs_read"))(enter)
    with pytest.raises(PyebpfError, match="load\\(begins\\) attaches it"):
        begins()
    assert isinstance(begins, Alternatives)


def test_the_context_of_registers_may_be_left_out() -> None:
    @kprobe("vfs_read")
    def with_context(ctx: KprobeContext, file: Ptr[file]) -> None:
        counts[0] = file.f_inode.i_ino

    opened = {"f_inode": {"i_ino": 5}}
    for probe in (with_context, enter):
        run(probe).fire(probe, opened)


@pytest.mark.parametrize(("chosen", "attached"), [({enabled: False}, 0), ({}, 1)])
def test_a_function_of_the_options_may_say_whether_to_attach(
    chosen: dict[Any, Any], attached: int
) -> None:
    @tp_btf("sched_switch", when=lambda options: options.option(enabled))
    def asked(_: bool, prev: Ptr[task_struct]) -> None:
        counts[0] = prev.pid

    names = [info.name for info in compile_probes(begins, asked, options=chosen).programs]
    assert names.count("asked") == attached


@raw_tracepoint("sched_switch")
def on_switch(ctx: RawTracepointContext) -> None:
    counts[0] += 1


@socket_filter(when=enabled)
def is_kept(ctx: SkBuffContext) -> u32:
    return ctx.len


def test_a_socket_filter_that_is_switched_off_is_not_loaded() -> None:
    for value, names in ((True, ["on_switch", "is_kept"]), (False, ["on_switch"])):
        compiled = compile_probes(on_switch, is_kept, options={enabled: value}, target=target())
        assert [info.name for info in compiled.programs] == names


def test_many_functions_with_numbers_and_without() -> None:
    """One by one they can be attached to anywhere; what numbers them is since Linux 5.15."""
    calls = Count[u64]()

    @uprobe("c", "getp*id", cookies={"getpid": 1, "getppid": 2})
    def numbered() -> None:
        calls.add(attach_cookie())

    @uprobe("c", "getpid")
    def first() -> None:
        calls.add(1)

    @uprobe("c", "getppid")
    def second() -> None:
        calls.add(2)

    ways = first_of(numbered, (first, second))
    for without, names in (
        (set(), ["numbered"]),
        ({"prog:uprobe.multi"}, ["numbered"]),
        ({"cookie"}, ["first", "second"]),
    ):
        compiled = compile_probes(ways, target=target(without=without))
        assert [info.name for info in compiled.programs] == names
