"""An attached program as an object that can be closed."""

from __future__ import annotations

import os
from _thread import RLock  # threading takes a millisecond
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from pyebpf.errors import AttachError, NotSupportedError, PyebpfError
from pyebpf.lazy import lazy
from pyebpf.owner import Owner
from pyebpf.plain import Frozen
from pyebpf.runtime import syscall
from pyebpf.runtime.links.closing import close_all

if TYPE_CHECKING:
    from pyebpf.abi.programs import ProgramKind
    from pyebpf.runtime import bpffs
    from pyebpf.runtime.links import replaced
    from pyebpf.runtime.program import Program
    from pyebpf.runtime.tracefs import Tracefs
    from pyebpf.spec.target import Features
else:
    bpffs = lazy("pyebpf.runtime.bpffs")
    replaced = lazy("pyebpf.runtime.links.replaced")


class Unlinked(Frozen):
    """Why an attached program has no ``bpf_link``, which alone can be pinned.

    Attributes:
        why: in words.
        since: the Linux version that brought links for it; empty if none did.
        feature: the row of that, if there is one.
    """

    why: str
    since: str = ""
    feature: str = ""

    def error(self, hook: str, cannot: str = "be pinned") -> NotSupportedError:
        """Make the exception for what it cannot; the caller raises it."""
        when = f" (links came with Linux {self.since})" if self.since else ""
        text = f"{hook!r} cannot {cannot}: {self.why}{when}"
        return NotSupportedError(text, feature=self.feature, since=self.since)


def way_of(request: Request, ways: Mapping[str, int], own: int | None) -> int:
    """Return the attach type of the way that packets pass: the program's own, or ``at["way"]``.

    Args:
        request: what is attached.
        ways: the attach types by their words.
        own: the attach type of a program that is for one way only.

    Raises:
        AttachError: neither says which, or each says another.
    """
    asked = str(request.at.get("way", ""))
    if (asked or own is None) and asked not in ways:
        known = " or ".join(f"way={way!r}" for way in ways)
        raise AttachError(f"say where packets pass the program: {known}")
    if own is None:
        return ways[asked]
    if asked and ways[asked] != own:
        raise AttachError(f"a {request.kind.name!r} program is not for way={asked!r}")
    return own


class HasDescriptor(Protocol):
    """A loaded program: of a session, or one that was pinned."""

    fd: int


class Link(Owner):
    """A program attached to a hook, until this is closed.

    Attributes:
        hook: where it is attached, for messages.
        fd: the descriptor that keeps it attached; -1 after :meth:`close`.
        unlinked: why there is no ``bpf_link``, where there is none.
    """

    unlinked: ClassVar = Unlinked(
        "this kernel attaches to it by a perf event; @raw_tracepoint and @tp_btf have links here",
        "5.15",
        "perf_link",
    )

    fd = -1  # as long as nothing is open

    def __init__(
        self, fd: int, hook: str, *, is_bpf_link: bool = True, also: tuple[int, ...] = ()
    ) -> None:
        # A thread that detaches everything may meet one that closes this; so may a signal handler.
        self._closing = RLock()
        self.fd = fd
        self.hook = hook
        self._is_bpf_link = is_bpf_link
        self._also = also

    def __repr__(self) -> str:
        state = f"fd {self.fd}" if self.fd >= 0 else "closed"
        return f"<{type(self).__name__} {self.hook!r}, {state}>"

    def __del__(self) -> None:
        if self._is_open():
            self.close()

    @property
    def is_bpf_link(self) -> bool:
        """Whether the kernel has a ``bpf_link`` for this: it can then be pinned and described."""
        return self._is_bpf_link

    @property
    def waits(self) -> bool:
        """Whether the kernel waits while it is closed: it is on a perf event."""
        return self._is_bpf_link and bool(self._also)

    def read(self) -> bytes:
        """Return what an iterator writes in one visit of everything.

        Raises:
            PyebpfError: this is another kind of link.
        """
        raise PyebpfError(f"{self.hook!r} is no iterator: there is nothing to read")

    def info(self) -> syscall.LinkInfo | None:
        """Describe the link in the kernel; None if there is only a perf event."""
        return syscall.link_info(self.fd) if self._is_bpf_link else None

    def pin(self, path: str | os.PathLike[str]) -> None:
        """Give the link a name in a BPF file system: the program stays attached without us.

        :func:`pyebpf.open_pinned` opens it again; :func:`pyebpf.unpin` removes the name, and when
        nobody holds the link any more, the program is detached.

        Args:
            path: below where a BPF file system is mounted; directories that are missing are made.

        Raises:
            PinError: the path is in no BPF file system, or something is there already.
            NotSupportedError: the kernel has no link for this that could have a name.
        """
        self._check_open()
        if not self._is_bpf_link:
            raise self.unlinked.error(self.hook)
        bpffs.pin(self.fd, os.fspath(path))

    def update(self, program: HasDescriptor, *, instead_of: HasDescriptor | None = None) -> None:
        """Let another program of the same kind run from now on, in one step: no event is missed.

        What runs at this moment ends as it began. The link keeps the new program alive, and those
        who hold the link, or its pin, hold that from now on.

        Args:
            program: what :func:`pyebpf.open_pinned` gave; :meth:`pyebpf.Session.update` takes a
                probe.
            instead_of: only if it is this one that runs until now.

        Raises:
            NotSupportedError: the kernel cannot do that for what is attached here. It can at
                control groups, devices (XDP, traffic control by tcx), network namespaces (but for
                netfilter), and of iterators, all with a ``bpf_link``.
            AttachError: the program is of another kind; another one than ``instead_of`` runs; or
                what it was attached to is gone.
            KernelError: the kernel refused otherwise.

        Since:  5.7; XDP, network namespaces and iterators 5.9, tcx 6.6.
        """
        self._check_open()
        if not self._is_bpf_link:
            raise self.unlinked.error(self.hook, "be given another program")
        expected = -1 if instead_of is None else instead_of.fd
        with self._closing:
            replaced.update(self.fd, self.hook, program.fd, expected)

    def detach(self) -> None:
        """Detach now, whoever else holds the link, and close.

        Raises:
            KernelError: the kernel cannot detach this kind of link; :meth:`close` then does it when
                nobody else holds it.
        """
        with self._closing:
            if self.fd >= 0 and self._is_bpf_link:
                syscall.link_detach(self.fd)
            self.close()

    def close(self) -> None:
        """Let go of it; the kernel detaches the program when nobody holds the link. Idempotent.

        Of several threads that close it each comes back when it is closed.
        """
        with self._closing:
            if not self._is_open():
                return
            try:
                self._undo()
            finally:
                self._let_go()

    def _check_open(self) -> None:
        if not self._is_open():
            raise AttachError(f"nothing is attached to {self.hook!r} any more", target=self.hook)

    def _is_open(self) -> bool:
        return self.fd >= 0

    def _undo(self) -> None:
        """Detach what the kernel would not, when descriptors are closed."""

    def _let_go(self) -> None:
        fds, self.fd, self._also = (self.fd, *self._also), -1, ()
        for fd in fds:
            if fd >= 0:  # a signal handler may have closed them just now
                os.close(fd)


class Links(Link):
    """Several links of one program that live and end together."""

    _links: list[Link] | tuple[()] = ()

    def __init__(self, links: list[Link], hook: str) -> None:
        self._links = links
        super().__init__(links[0].fd, hook, is_bpf_link=False)

    def pin(self, path: str | os.PathLike[str]) -> None:
        """Make a directory in a BPF file system, with a numbered name for each of the links.

        Raises:
            PinError: the path is in no BPF file system, or something is there already.
            NotSupportedError: the kernel has no links for these.
        """
        folder = os.fspath(path)
        self._check_open()
        if not all(link.is_bpf_link for link in self._links):
            raise self.unlinked.error(self.hook)
        bpffs.pin_all([link.fd for link in self._links], folder)

    def detach(self) -> None:
        """Detach all of them."""
        self.close()

    def _is_open(self) -> bool:
        return bool(self._links)

    def _let_go(self) -> None:
        self.fd, links, self._links = -1, self._links, []
        close_all(links)


def together(made: Iterator[Link], hook: str) -> Link | None:
    """Return the links that an iterator makes, as one; all are undone if one cannot be made.

    Args:
        made: makes the links, one after the other.
        hook: where they are, for messages.

    Returns:
        None if it made none.
    """
    links: list[Link] = []
    try:
        for link in made:
            links.append(link)  # noqa: PERF402 - those that were made must be known when one fails
    except BaseException:
        close_all(links)
        raise
    if len(links) < 2:
        return links[0] if links else None
    return Links(links, hook)


class Request(Frozen):
    """What a strategy needs to know; the caller of ``attach`` gave it.

    ``at`` says what the hook's name does not: a device, a cgroup, a process. ``program`` is what
    ``prog_fd`` is the descriptor of, if the caller has more than that.
    """

    prog_fd: int
    kind: ProgramKind
    hook: str
    cookie: int
    tracefs: Tracefs
    features: Features
    at: Mapping[str, Any] = MappingProxyType({})
    program: Program | None = None

    def has(self, feature: str) -> bool:
        """Tell whether the kernel has a feature, or may not be asked.

        Then what the feature is for is refused, too, and that says what is missing.
        """
        lack = self.features.lack(feature)
        return lack is None or not lack.is_sure


#: A strategy attaches, or raises ``AttachError``, ``NotSupportedError`` or ``KernelError``.
Strategy: TypeAlias = Callable[[Request], Link]
