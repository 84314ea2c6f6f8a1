"""What can be wrong between a probe and the kernel that it is for, one class each."""

from __future__ import annotations

from typing import ClassVar

from pyebpf.diag import Diagnostic
from pyebpf.dsl.faults import ask


class HookMismatch(Diagnostic):
    """The parameters of a probe are the kernel's arguments, by position and type.

    Wrong:
        @tp_btf("block_rq_complete")
        def done(error: i32, rq: Ptr[request]) -> None:
            counts[1] = error

    Right:
        @tp_btf("block_rq_complete")
        def done(rq: Ptr[request], error: i32) -> None:
            counts[1] = error
    """

    code: ClassVar[str] = "E0304"
    title: ClassVar[str] = "`{name}` does not match {hook}"
    label: ClassVar[str] = "{why}"
    help: ClassVar[str] = "the kernel passes: {prototype}"
    name: str
    hook: str
    why: str
    prototype: str


class ReadOnlyField(Diagnostic):
    """The kernel lets a program change some fields of its context, and keeps the others.

    Wrong:
        @tc
        def mark(ctx: SkBuffContext) -> i32:
            ctx.len = 0
            return 0

    Right:
        @tc
        def mark(ctx: SkBuffContext) -> i32:
            ctx.mark = 7
            return 0
    """

    code: ClassVar[str] = "E0306"
    title: ClassVar[str] = "programs of kind `{kind}` cannot change `{name}`"
    label: ClassVar[str] = "read-only here"
    help: ClassVar[str] = "{can}"
    name: str
    kind: str
    can: str


class WrongResult(Diagnostic):
    """The kernel acts on what some programs give, so they must give something that it knows.

    Wrong:
        @cgroup_sock_addr("connect4")
        def connect(ctx: SockAddrContext) -> i32:
            return 2

    Right:
        @cgroup_sock_addr("connect4")
        def connect(ctx: SockAddrContext) -> i32:
            return 1  # go on
    """

    code: ClassVar[str] = "E0307"
    title: ClassVar[str] = "{what}"
    label: ClassVar[str] = "the kernel acts on what a `{kind}` program gives"
    help: ClassVar[str] = "{wanted}"
    what: str
    kind: str
    wanted: str


class NoKernelFields(Diagnostic):
    """Programs that may run anywhere must not take locks: they could interrupt the holder.

    Wrong:
        @raw_tracepoint("sys_enter")
        def enter() -> None:
            account = accounts.get(tgid())
            if account is not None:
                with account.lock:
                    account.turns += 1

    Right:
        @tp_btf("sys_enter")
        def enter() -> None:
            account = accounts.get(tgid())
            if account is not None:
                with account.lock:
                    account.turns += 1


        @raw_tracepoint("sys_exit")
        def leave() -> None:
            counts.fetch_add(tgid(), 1)  # without a lock
    """

    code: ClassVar[str] = "E0404"
    title: ClassVar[str] = "a {kind} program cannot use a map with a `{field}`"
    label: ClassVar[str] = "the kernel refuses it here"
    help: ClassVar[str] = "{advice}"
    kind: str
    field: str
    advice: str = "use @tp_btf, or another typed program"


class NeedsFeature(Diagnostic):
    """The target kernel lacks something that the probe needs.

    Wrong:
        @raw_tracepoint("sys_enter")
        def enter() -> None:
            helpers.sys_bpf(0, comm(), 16)  # for @syscall programs only

    Right:
        @raw_tracepoint("sys_enter")
        def enter() -> None:
            counts[1] += len(comm())
    """

    code: ClassVar[str] = "E0701"
    title: ClassVar[str] = "{what} needs {needed}, which this kernel does not have"
    label: ClassVar[str] = "since Linux {since}"
    help: ClassVar[str] = "{advice}"
    what: str
    feature: str
    since: str
    advice: str = ""

    def _fill(self, template: str) -> str:
        return super()._fill(template.replace("{needed}", _needed(self.feature)))


def _needed(feature: str) -> str:
    """Say in words what a row of the features is: ``helper:skb_load_bytes@xdp`` is a helper."""
    group, _, name = feature.partition(":")
    if group != "helper":
        return _FEATURES.get(feature, feature)
    helper, _, kind = name.partition("@")
    return f"the helper bpf_{helper}" + " in programs of its kind" * bool(kind)


#: Features that have names for people.
_FEATURES = {
    "atomics": "atomic operations that give a result",
    "global_data": "global data",
    "kallsyms_all": "a list of all symbols (CONFIG_KALLSYMS_ALL)",
    "ringbuf": "ring buffers",
}


class UnknownSymbol(Diagnostic):
    """Functions and variables of the kernel are looked up in the BTF of the target kernel.

    Wrong:
        from_pid = kfunc("bpf_task_from_pidd")


        @tp_btf("task_rename")
        def rename() -> None:
            from_pid(1)

    Right:
        from_pid = kfunc("bpf_task_from_pid")
        of_tomorrow = kfunc("bpf_of_tomorrow")


        @tp_btf("task_rename")
        def rename() -> None:
            if has_kfunc(of_tomorrow):  # in newer kernels
                of_tomorrow(1)
    """

    code: ClassVar[str] = "E0107"
    title: ClassVar[str] = "this kernel has no {what} `{name}`"
    label: ClassVar[str] = "not found{close}"
    what: str
    name: str
    close: str = ""

    @property
    def help_text(self) -> str:
        return (
            ""
            if self.close
            else ask(f"has_{'variable' if 'variable' in self.what else 'kfunc'}(…)")
        )


class NotReleased(Diagnostic):
    """What a kfunc gives out must be given back on every way to the end of the probe.

    Wrong:
        task = task_from_pid(1)
        if task is not None:
            counts[1] = task.tgid

    Right:
        task = task_from_pid(1)
        if task is not None:
            counts[1] = task.tgid
            task_release(task)
    """

    code: ClassVar[str] = "E0421"
    title: ClassVar[str] = "what `{name}` gives is never given back"
    label: ClassVar[str] = "taken here"
    help: ClassVar[str] = "call `{partner}` before the probe ends"
    name: str
    partner: str
