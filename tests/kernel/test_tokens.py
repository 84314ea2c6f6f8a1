"""BPF tokens: programs loaded in a container that was delegated them, and what it was not."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from pyebpf import (
    Array,
    ArrayOfMaps,
    Hash,
    RawTracepointContext,
    XdpContext,
    load,
    raw_tracepoint,
    tgid,
    u32,
    u64,
    xdp,
)
from pyebpf.abi import constants as c
from pyebpf.errors import KernelError, NotSupportedError, PyebpfError
from pyebpf.runtime import syscall, token
from tests.kernel.children import BPFFS, in_child, own_bpffs
from tests.kernel.containers import NoNamespaceError, in_container

pytestmark = pytest.mark.kernel

EVERYTHING = {"cmds": "any", "maps": "any", "progs": "any", "attachs": "any"}

seen = Hash[u32, u64](max_entries=8)
rows = ArrayOfMaps(Array[u64](max_entries=1), max_entries=2)


@raw_tracepoint("sys_enter")
def calls_of_ours(ctx: RawTracepointContext) -> None:
    row = rows.get(0)
    if row is not None and ctx.args[0] == 4242:
        row[0] += 1
    if tgid() == ctx.args[0]:
        seen[tgid()] += 1


@xdp
def passes(ctx: XdpContext) -> int:
    seen[1] += 1
    return 2


@pytest.fixture(autouse=True)
def _prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYEBPF_CACHE", "off")
    monkeypatch.delenv(token.VARIABLE, raising=False)
    load(calls_of_ours, attach=False).close()  # everything is imported


@pytest.fixture
def container(requires: Callable[[str], None]) -> Callable[..., None]:
    """Give a function that runs another in a container; skip where there are no tokens."""
    requires("bpf_token")

    def run(function: Callable[[str], None], **delegated: str) -> None:
        try:
            in_container(function, **delegated)
        except NoNamespaceError as error:
            pytest.skip(f"no user namespace here: {error}")

    return run


def test_a_container_loads_what_it_was_delegated(container: Callable[..., None]) -> None:
    def inside(path: str) -> None:
        with load(calls_of_ours, passes, attach=False, token=path) as session:
            with session[rows].make(0) as row:  # a map made later shows the token too
                session.test_run(calls_of_ours, 4242)
                assert row[0] == 1
            session.test_run(calls_of_ours, os.getpid())
            session.test_run(passes, data=bytes(64))
            assert dict(session[seen].items()) == {os.getpid(): 1, 1: 1}
            opened = session.token
            assert opened is not None
            assert opened.fd >= 0
        assert opened.fd < 0
        with load(calls_of_ours, token=path) as session:  # attached, too
            assert session.attached(calls_of_ours)

    container(inside, **EVERYTHING)


def test_the_environment_says_where_as_for_libbpf(
    container: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def inside(path: str) -> None:
        monkeypatch.setenv(token.VARIABLE, path)
        with load(calls_of_ours, attach=False) as session:
            assert session.token is not None
        monkeypatch.setenv(token.VARIABLE, "")
        with pytest.raises(KernelError, match="let it have a BPF token"):
            load(calls_of_ours, attach=False)

    container(inside, **EVERYTHING)


def test_what_was_not_delegated_is_named(container: Callable[..., None]) -> None:
    def inside(path: str) -> None:
        with pytest.raises(KernelError, match="delegate_maps=hash") as refused:
            load(passes, attach=False, token=path)
        assert refused.value.capability is None
        with token.make(path) as opened, token.using(opened):
            os.close(syscall.map_create(c.BPF_MAP_TYPE_ARRAY, 4, 4, 1))
            with pytest.raises(KernelError, match="delegate_progs=xdp,delegate_attachs=xdp"):
                syscall.prog_load(c.BPF_PROG_TYPE_XDP, bytes(16), "GPL",
                                  expected_attach_type=c.BPF_XDP)  # fmt: skip

    only = {"cmds": "map_create:btf_load:prog_load", "maps": "array", "progs": "socket_filter"}
    container(inside, **only)


def test_nothing_delegated_and_what_is_no_file_system(container: Callable[..., None]) -> None:
    def inside(path: str) -> None:
        with pytest.raises(KernelError, match="it delegates nothing"):
            load(passes, attach=False, token=path)
        with pytest.raises(KernelError, match="not the top directory of a mounted BPF"):
            load(passes, attach=False, token="/proc")
        with pytest.raises(PyebpfError, match="cannot be opened"):
            load(passes, attach=False, token="/no/such/place")

    container(inside)


def test_outside_of_containers_no_token_is_made(requires: Callable[[str], None]) -> None:
    requires("bpf_token")

    def inside() -> None:
        own_bpffs()
        with pytest.raises(KernelError, match="in no user namespace, and needs no token"):
            load(passes, attach=False, token=BPFFS)

    in_child(inside)


def test_a_kernel_without_tokens_says_so() -> None:
    if token.is_known():
        pytest.skip("this kernel has BPF tokens")

    def inside() -> None:
        own_bpffs()
        with pytest.raises(NotSupportedError, match=r"Linux 6\.9") as refused:
            load(passes, attach=False, token=BPFFS)
        assert refused.value.feature == "bpf_token"

    in_child(inside)
