"""Another program for a link that is there: nothing is missed, and what cannot be is said."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pyebpf import (
    Array,
    IterContext,
    Probe,
    Ptr,
    RawTracepointContext,
    Session,
    SkBuffContext,
    SkLookupContext,
    XdpContext,
    cgroup_skb,
    i32,
    iter,  # noqa: A004
    load,
    open_pinned,
    raw_tracepoint,
    record,
    sk_lookup,
    tc,
    u64,
    unpin,
    xdp,
)
from pyebpf.errors import AttachError, NotSupportedError
from pyebpf.kernel import task_struct
from tests.kernel.children import BPFFS, in_own_bpffs
from tests.kernel.namespaces import in_cgroup, in_own_network, ip, own_cgroup, pair
from tests.kernel.test_links_network import send, without_links

pytestmark = pytest.mark.kernel

counts = Array[u64](max_entries=4)


@cgroup_skb("egress")
def leaves(ctx: SkBuffContext) -> i32:
    counts[0] += 1
    return 1


@cgroup_skb("egress")
def goes(ctx: SkBuffContext) -> i32:
    counts[1] += 1
    return 1


@cgroup_skb("ingress")
def comes(ctx: SkBuffContext) -> i32:
    return 1


@pytest.fixture
def _has_links(requires: Callable[[str], None]) -> None:
    requires("cgroup_link")


@pytest.mark.usefixtures("_has_links")
def test_no_packet_is_missed_while_programs_take_turns() -> None:
    with own_cgroup() as group, load(leaves, goes) as session:
        link = session.attach(leaves, cgroup=str(group))
        over, turns = threading.Event(), [0]

        def change() -> None:
            while not over.is_set():
                session.update(link, (goes, leaves)[turns[0] % 2])
                turns[0] += 1

        thread = threading.Thread(target=change)
        thread.start()
        try:
            sent = sum(in_cgroup(group, lambda: [send(20) for _ in range(50)]))
        finally:
            over.set()
            thread.join()
        seen = session[counts].view()[:2].tolist()
        assert (sum(seen), sent) == (1000, 1000)
        assert turns[0] > 2
        session.update(link, goes)
        assert (session.attached(leaves), session.attached(goes)) == ([], [link])
        in_cgroup(group, lambda: send(3))
        assert session[counts].view()[:2].tolist() == [seen[0], seen[1] + 3]


@pytest.mark.usefixtures("_has_links")
def test_what_cannot_be_put_in_is_said() -> None:
    with own_cgroup() as group, load(leaves, goes, comes, at_event) as session:
        link = session.attach(leaves, cgroup=str(group))
        with pytest.raises(
            AttachError, match=r"another program runs at '.*' than the expected one"
        ):
            session.update(link, goes, instead_of=goes)
        session.update(link, goes, instead_of=leaves)
        assert session.attached(goes) == [link]
        with pytest.raises(AttachError, match="the new program, of the kind 'raw_tracepoint', is"):
            session.update(link, at_event)
        (traced,) = session.attached(at_event)
        with pytest.raises(NotSupportedError, match="a link of the kind 'raw_tracepoint'"):
            session.update(traced, at_event)
        with pytest.raises(KeyError):
            session.update(link, at_lo)
        without_links(session)
        old = session.attach(leaves, cgroup=str(group))
        with pytest.raises(
            NotSupportedError, match=r"cannot be given another program: .*Linux 5\.7"
        ):
            session.update(old, goes)


@raw_tracepoint("sys_enter")
def at_event(ctx: RawTracepointContext) -> None:
    counts[3] = 0


@xdp
def at_lo(ctx: XdpContext) -> i32:
    counts[0] += 1
    return 2  # XDP_PASS


@xdp
def at_lo_later(ctx: XdpContext) -> i32:
    counts[1] += 1
    return 2


@tc("egress")
def out(ctx: SkBuffContext) -> i32:
    counts[0] += 1
    return -1


@tc("egress")
def out_later(ctx: SkBuffContext) -> i32:
    counts[1] += 1
    return -1


@sk_lookup
def chosen(ctx: SkLookupContext) -> i32:
    counts[0] += 1
    return 1


@sk_lookup
def chosen_later(ctx: SkLookupContext) -> i32:
    counts[1] += 1
    return 1


@pytest.mark.parametrize(
    ("first", "second", "at", "feature"),
    [
        (at_lo, at_lo_later, {"device": "lo", "mode": "generic"}, "xdp_link"),
        (out, out_later, {"device": "lo"}, "tcx"),
        (chosen, chosen_later, {"netns": "/proc/thread-self/ns/net"}, "prog:sk_lookup"),
    ],
    ids=["xdp", "tcx", "netns"],
)
def test_devices_and_namespaces(
    first: Probe, second: Probe, at: dict[str, str], feature: str, requires: Callable[[str], None]
) -> None:
    requires(feature)

    def work() -> list[Any]:
        with load(first, second, attach=False) as session:
            link = session.attach(first, **at)
            found = [send(5), *session[counts].view()[:2].tolist()]
            session.update(link, second, instead_of=first)
            return [*found, send(7), *session[counts].view()[:2].tolist()]

    assert in_own_network(work) == [5, 5, 0, 7, 5, 7]


def test_a_device_that_is_gone(requires: Callable[[str], None]) -> None:
    requires("xdp_link")

    def work() -> str:
        pair("left0", "right0")
        with load(at_lo, at_lo_later, attach=False) as session:
            link = session.attach(at_lo, device="left0", mode="generic")
            ip("link", "del", "left0")
            with pytest.raises(AttachError) as error:
                session.update(link, at_lo_later)
            return str(error.value)

    assert in_own_network(work) == "what 'left0' was attached to is gone"


@record
class Seen:
    by: u64


@iter("task")
def one(ctx: IterContext, task: Ptr[task_struct] | None) -> None:
    if task is not None and task.pid == counts[2]:
        ctx.emit(Seen(by=1))


@iter("task")
def two(ctx: IterContext, task: Ptr[task_struct] | None) -> None:
    if task is not None and task.pid == counts[2]:
        ctx.emit(Seen(by=2))


def test_an_iterator() -> None:
    with load(one, two, attach=False) as session:
        session[counts][2] = os.getpid()
        link = session.attach(one)
        before = session.read(one)["by"].tolist()
        session.update(link, two)
        assert (before, session.read(two)["by"].tolist()) == ([1], [2])


@pytest.mark.usefixtures("_has_links")
@in_own_bpffs
def test_a_new_version_takes_over_a_pinned_link() -> None:
    """The program goes on running without a gap, after the session that put it there has ended."""
    pinned, program = f"{BPFFS}/link", f"{BPFFS}/program"

    def traffic(session: Session) -> list[int]:
        assert in_cgroup(group, lambda: send(4)) == 4
        seen: list[int] = session[counts].view()[:2].tolist()
        return seen

    with own_cgroup() as group:
        with load(leaves) as old:
            old.attach(leaves, cgroup=str(group)).pin(pinned)
        with load(goes, leaves) as new, open_pinned(pinned) as link:
            assert traffic(new) == [0, 0]
            new.update(link, goes)
            assert traffic(new) == [0, 4]
            new.pin(leaves, program)
            with open_pinned(program) as other:
                link.update(other)
            assert traffic(new) == [4, 4]
        unpin(program)
        unpin(pinned)
