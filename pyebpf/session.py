"""What is loaded: its links, maps and programs, what can be done with them, and their end."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pyebpf.attached import Links, Measured
from pyebpf.dsl.collect import Collected
from pyebpf.dsl.constants import value_of
from pyebpf.dsl.map_of_maps import OfMaps
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.probes import Probe, program_names
from pyebpf.dsl.shared import Global
from pyebpf.dsl.stacks import StackTrace
from pyebpf.dsl.unit_names import DATA_MAP
from pyebpf.errors import PyebpfError
from pyebpf.lazy import lazy
from pyebpf.map_views import open_view
from pyebpf.owner import Owner
from pyebpf.runtime import token as tokens
from pyebpf.runtime.links import Link
from pyebpf.runtime.loader import LoadedObject
from pyebpf.shown import Shown
from pyebpf.spec.compiled import Compiled
from pyebpf.spec.stacks import SECOND_PIN
from pyebpf.spec.types import DataType, Record

if TYPE_CHECKING:
    from pyebpf.dsl.probes.alternatives import Loadable
    from pyebpf.runtime import bpffs
    from pyebpf.runtime.invoke import Invocation
    from pyebpf.runtime.map_fd import MapFd
    from pyebpf.runtime.maps import shared
    from pyebpf.runtime.program import Program
    from pyebpf.runtime.token import Token

else:
    bpffs = lazy("pyebpf.runtime.bpffs")
    shared = lazy("pyebpf.runtime.maps.shared")

T = TypeVar("T")


class Session(Shown, Measured, Owner):
    """Loaded and attached probes, and the maps they share with user space. It owns all of them.

    ``session[declaration]`` is the open map of a declaration. Closing detaches the probes first,
    then closes programs and maps; leaving a ``with`` block closes, whatever happened in it.

    Attributes:
        compiled: what was loaded.
        links: what is attached.
        token: the BPF token that it was loaded with, if it was.
    """

    def __init__(
        self,
        loaded: LoadedObject,
        compiled: Compiled,
        found: Collected,
        options: Mapping[Any, Any],
        links: Links,
    ) -> None:
        super().__init__(loaded, compiled, found)
        self._options = options
        self.links = links
        self.token: Token | None = None

    def close(self) -> None:
        """Detach the probes, then close programs and maps. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._close_account()
        self.links.close()
        self._losses.keep()
        for view in self._views.values():
            view.close()
        self._views.clear()
        self.close_lines()
        self._loaded.close()
        if self.token is not None:
            self.token.close()

    def attach(self, probe: Loadable, *, cookie: int | None = None, **at: Any) -> Link:
        """Attach a program that was loaded, where the arguments say; the session owns the link.

        Args:
            probe: one of those given to :func:`load`; of its hooks the first is taken.
            cookie: what ``attach_cookie()`` gives there; without it, what the decorator says.
            at: ``device="eth0"`` for XDP and tc, with ``way="ingress"`` for a ``@tc`` that says
                nothing, and ``mode="generic"`` for XDP; ``cgroup="/sys/fs/cgroup/…"``;
                ``socket=`` a ``socket.socket``; ``sockets=`` a ``SockMap`` or a ``SockHash``;
                ``netns=`` its path; ``netfilter=`` a hook; ``target=`` another function, for
                kprobes and uprobes, whose arguments are then registers as the probe declares
                them; ``map=`` a declared map, ``cgroup=`` or ``pid=`` for iterators, whose entries,
                cgroups (``order="descendants"``, ``"self"``, ``"ancestors"``) or threads they
                visit; ``pid=`` for uprobes and perf events. What the decorator says
                is taken where nothing is given here.

        Raises:
            AttachError: there is no such place.
            NotSupportedError: this kernel lacks what is needed.
            KernelError: the kernel refused.
        """
        program = self._program(probe)
        info = next(info for info in self.compiled.programs if info.name == program.name)
        places = {name: self._place(value) for name, value in {**dict(info.at), **at}.items()}
        with tokens.using(self.token):
            return self.links.add(program, places, cookie, None)

    def update(self, link: Link, probe: Loadable, *, instead_of: Loadable | None = None) -> None:
        """Let a link run a probe of this session from now on, in one step: no event is missed.

        The link stays with whom it belongs to: this session, another one, who opened a pinned one.

        Args:
            link: of a probe of the same kind.
            probe: one of those given to :func:`load`; of its hooks the first is taken.
            instead_of: only if this probe of this session runs there until now.

        Raises:
            NotSupportedError: the kernel cannot do that for what is attached here.
            AttachError: the probe is of another kind; another one than ``instead_of`` runs; or what
                the link was attached to is gone.
            KernelError: the kernel refused otherwise.
        """
        program = self._program(probe)
        link.update(program, instead_of=None if instead_of is None else self._program(instead_of))
        self.links.renamed(link, program.name)

    def attached(self, probe: Loadable) -> list[Link]:
        """Return the links of a probe that are still attached, of all its hooks."""
        wanted = self._found.taken(probe)
        hooks = program_names(self._found.all_probes(), self._options)
        names = [name for name, one, _ in hooks if one in wanted]
        return [link for name in names for link in self.links.of(name)]

    def pin(self, what: Loadable | MapDecl | Link, path: str | os.PathLike[str]) -> None:
        """Give something of this session a name in a BPF file system, where it outlives it.

        What is pinned stays when the session is closed, and when its process dies, until
        :func:`pyebpf.unpin` removes the name; :func:`pyebpf.open_pinned` opens it again. A link
        keeps its probe attached. Directories that are missing are made.

        Args:
            what: a declared map; a link, as :meth:`attach` and :meth:`attached` give it; a probe,
                which is its program without what it is attached to: of its hooks the first.
            path: below where a BPF file system is mounted, such as ``"/sys/fs/bpf/app/counts"``.

        Raises:
            PinError: the path is in no BPF file system, or something is there already.
            NotSupportedError: this kernel has no link for what the probe is attached to.
            PyebpfError: it is a ``Global``, which has no map of its own.
            KeyError: this session has no such map or probe.
        """
        if isinstance(what, Link):
            what.pin(path)
        elif isinstance(what, Global):
            raise PyebpfError(
                "the Global variables of a session are one map, which has a place only for what "
                "its probes use: share an Array[…](max_entries=1, pin=…) instead"
            )
        elif isinstance(what, MapDecl):
            bpffs.pin(self._map_fd(what), os.fspath(path))
            if isinstance(what, StackTrace):
                for second in self._others_of(what):
                    bpffs.pin(second.fd, f"{os.fspath(path)}{SECOND_PIN}")
        else:
            bpffs.pin(self._program_fd(what), os.fspath(path))

    def _place(self, value: Any) -> Any:
        """Return what attaching takes: of a declared map, its descriptor."""
        return self._map_fd(value) if isinstance(value, MapDecl) else value

    def _map_fd(self, decl: MapDecl) -> int:
        self._check_open()
        opened = self._loaded.maps.get(self._found.maps.get(decl, ""))
        if opened is None:
            raise KeyError(f"no loaded probe uses this {type(decl).__name__}")
        return opened.fd

    def read(self, probe: Loadable) -> Any:
        """Let an ``@iter`` program visit everything; return what it wrote.

        Returns:
            The records that it emitted, as a structured array; bytes if it wrote by other means.

        Shape:  ``(n,)``, n ≥ 0.

        Raises:
            PyebpfError: it is no iterator, or is not attached.
        """
        name = self._program(probe).name
        data = self.links.read(name)
        record = next(info.record for info in self.compiled.programs if info.name == name)
        if record is None:
            return data
        from pyebpf.spec.dtype import records

        return records(record, data)

    def _program_fd(self, probe: object) -> int:
        program = self._program(probe)
        info = next(info for info in self.compiled.programs if info.name == program.name)
        if "arguments" in dict(info.at):
            raise PyebpfError(
                f"`{program.name}` reads arguments of its own USDT probe: no other can go on in it"
            )
        return program.fd

    def _program(self, probe: object) -> Program:
        self._check_open()
        wanted = self._found.taken(probe)
        for name, one, _ in program_names(self._found.all_probes(), self._options):
            if one in wanted and name in self._loaded.programs:
                return self._loaded.programs[name]
        raise KeyError(f"{getattr(probe, 'name', probe)!r} is no probe that this session loaded")

    def _view(self, decl: MapDecl) -> Any:
        self._check_open()
        name = self._found.maps.get(decl, "")
        if isinstance(decl, Global):
            return self._global(name, decl.data_type())
        opened = self._loaded.maps.get(name)
        if opened is None:
            shown = name or type(decl).__name__
            raise KeyError(f"no loaded probe uses {shown}, so there is no such map")
        with tokens.using(self.token):
            lost = partial(self._losses.of, name)
            return open_view(
                decl, opened, self._options, self._program_fd, lost, self._others_of(decl)
            )

    def _others_of(self, decl: MapDecl) -> list[MapFd]:
        """Return what else a declaration made: a second map of stacks, maps in one of maps."""
        others: tuple[MapDecl | None, ...] = ()
        if isinstance(decl, StackTrace):
            others = (decl.second,)
        elif isinstance(decl, OfMaps):
            others = decl.entries
        return [self._loaded.maps[self._found.maps[one]] for one in others if one is not None]

    def _global(self, name: str, kind: DataType) -> shared.GlobalView:
        opened = self._loaded.maps.get(DATA_MAP)
        section = opened.spec.value if opened else None
        field = section.field(name) if isinstance(section, Record) else None
        if opened is None or field is None:
            raise KeyError(f"no loaded probe uses {name or 'this Global'}")
        return shared.GlobalView(os.dup(opened.fd), opened.spec, field.replace(type=kind))

    def option(self, const: T) -> T:
        """Return the value that a ``Const`` has in this session."""
        value: T = value_of(const, self._options)
        return value

    def test_run(self, probe: Probe, *args: Any, data: bytes = b"", repeat: int = 1) -> Invocation:
        """Run a probe now, in the kernel, on a context that we give.

        Args:
            probe: a ``@syscall`` probe, a ``@raw_tracepoint``, or a program for packets; of its
                hooks the first is taken.
            args: for ``@syscall`` the record that it takes, its fields as a tuple or by name in a
                dict. For a raw tracepoint its arguments, as numbers of 64 bits.
            data: the packet, from its Ethernet header on, for programs that get one.
            repeat: how many times, where the kernel takes it; ``duration_ns`` is the mean.

        Returns:
            ``result`` (32 bits), ``context`` (the record as the probe left it), ``data`` (the
            packet, the same), ``duration_ns``.

        Raises:
            KernelError: the kernel has no test run for this kind of program.
        """
        from pyebpf.runtime.invoke import invoke

        return invoke(self._program(probe).fd, probe.record(), args, data, repeat)

    def __repr__(self) -> str:
        if self._closed:
            return "<Session closed>"
        count = len(self._loaded.programs)
        parts = [f"{count} program{'s' * (count != 1)}", *self.summary().splitlines()]
        parts += [f"{name}: {lost:,} lost" for name, lost in self.lost().items()]
        return f"<Session of {'; '.join(parts)}>"
