"""A tool: probes and a report, framed by options, intervals and output."""

from __future__ import annotations

import importlib
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, cast

from pyebpf import headstart, program
from pyebpf.cli import command, output, watching
from pyebpf.cli.layout import Blocks, Layout, Most, largest
from pyebpf.cli.options import Choice, CommandLine, UsageError, declared
from pyebpf.cli.output import Losses, OutputError
from pyebpf.cli.waiting import FOREVER, SLICE, Patience
from pyebpf.dsl.constants import Options, value_of
from pyebpf.errors import CompileError, PyebpfError
from pyebpf.lazy import lazy
from pyebpf.loading import compile_probes, load, read_object
from pyebpf.session import Session
from pyebpf.version import __version__

if TYPE_CHECKING:
    from pyebpf import explained
    from pyebpf.cli import cost, helping, reports
    from pyebpf.cli.lines import Lines, Printer
    from pyebpf.dsl.constants import ConstDecl
    from pyebpf.dsl.probes.alternatives import Loadable
    from pyebpf.present import listing
else:
    cost = lazy("pyebpf.cli.cost")  # few runs are measured
    explained = lazy("pyebpf.explained")
    helping = lazy("pyebpf.cli.helping")  # few starts need it
    reports = lazy("pyebpf.cli.reports")  # of no use before probes are attached
    listing = lazy("pyebpf.present.listing")

R = TypeVar("R")

_CGROUP = "--cgroup"
_NUMBERS = ("--pid", "--tid")
#: ``PID_MAX_LIMIT`` of ``include/linux/threads.h``: a process has a number below it.
_PID_MAX_LIMIT = 4 << 20
_NS = 1_000_000_000
_MISSED = "this command line asks for something else now, and is traced only from here on"
#: What is not the same another time.
_NOT_AGAIN = frozenset(("cost", "max_overhead", "draw"))
FAILED, MISUSED, EXCEEDED, CLOSED_PIPE = 1, 2, 3, 141


def _check_number(const: ConstDecl, value: Any) -> None:
    """Refuse the number of a process or a thread that there cannot be: nothing would be traced.

    Raises:
        UsageError: it is one. (0 is the idle task, and to most tools everybody, as to BCC's.)
    """
    for number in value if isinstance(value, tuple) else (value,):
        if not 0 <= number < _PID_MAX_LIMIT:
            raise UsageError(f"{const.flags[0]}: no process or thread has the number {number}")


class Tool(Generic[R]):
    """A module made a program.

    Options are the module's ``Const`` declarations that have flags, in their order, and those of
    the frame: ``[interval [count]]``, ``-T``, ``-j``, ``--csv``, ``--duration``, ``--dry-run``,
    ``--explain``, ``--cost``, ``--max-overhead``.

    Args:
        module: the tool's ``__name__``.
        probes: what to load; None for a tool that looks once at what is there, whose ``report``
            gets an object with ``option`` alone. Where options say what to load, a function: of
            such an object it makes the probes, and a ValueError of it is a usage error.
        report: makes the result of one interval; without it the tool shows what its probes print.
        follow: what to do with the session instead, until it returns or Ctrl-C.
        lines: what to print of each record that the probes send, instead of reports.
        summary: the option that asks for a report at the end instead of the lines.
        process: the option that says which process to trace, if it is one: ``--exec`` runs a
            command, and gives it the number of that. With ``filters`` it is theirs by default.
        filters: ``FILTERS`` of ``pyebpf.lib.filters``, if the probes ask ``is_wanted()``; or why
            that makes no sense, as the end of a sentence.
        spelled: more flags of some of ``filters``, as BCC's tool has them.
        top: the option that says how many to report of what has most, if the tool has one of its
            own; else it is ``--top``.
        most: where that is: ``"first"`` or ``"last"`` in a list of rows; a function says of a row
            what counts where they are sorted otherwise. ``"none"``: a report is of one thing.
        show: makes text of a result; ``str`` by default.
        layout: makes a growing table or a screen of results instead.
        header: printed when the probes are attached; a function makes it of the session.
        exclusive: options of which a command line may have one.
        instead: what is printed when an option is given, and nothing traced.
        letters: ``"-i"``, ``"-d"`` or ``"-D"``, ``"-n"``, ``"-s"`` if interval, duration, the
            number of intervals and ``--csv`` are flags of one letter too; ``"-c"`` if a flag takes
            the command of ``--exec`` as a text.
        early: its own start does nothing of what it traces, so it may always have a head start;
            others have one where ``--pid`` or ``--tid`` leaves them out.
        single: it reports once, and its argument says after how long.
        meanwhile: called when the probes are attached, and some times a second while it traces, if
            it reports or prints lines.
        examples: lines at the end of ``--help``: a command, ``#``, what it does.
        interval_s: the interval if none is given; None for a single report at the end.
        times: how many reports if the command line does not say; None to go on until Ctrl-C.
    """

    def __init__(  # noqa: PLR0913 - the words of a declaration
        self,
        module: str,
        *,
        probes: Iterable[Loadable] | Callable[[Options], Iterable[Loadable]] | None,
        report: Callable[[Session], R] | None = None,
        follow: Callable[[Session], object] | None = None,
        lines: Lines | None = None,
        summary: object = None,
        process: object = None,
        filters: Sequence[Any] | str = (),
        spelled: Mapping[Any, Sequence[str]] = MappingProxyType({}),
        top: object = None,
        most: Most = "first",
        show: Callable[[Session, R], str] | None = None,
        layout: Layout | None = None,
        header: str | Callable[[Session], str] = "",
        exclusive: Sequence[Sequence[object]] = (),
        instead: Mapping[Any, Callable[[], str]] = MappingProxyType({}),
        letters: Sequence[str] = (),
        early: bool = False,
        single: bool = False,
        meanwhile: Callable[[Session], object] | None = None,
        examples: str = "",
        interval_s: float | None = None,
        times: int | None = None,
    ) -> None:
        self._module = sys.modules[module]
        self._make = probes if callable(probes) else None
        self.probes = () if callable(probes) else tuple(probes or ())
        self._loads = probes is not None
        self._report = report
        self._follow = follow
        self._lines = lines
        self._summary: Any = summary
        self._lacks = filters if isinstance(filters, str) else ""
        self._filters = () if isinstance(filters, str) else tuple(filters)
        self._spelled = spelled
        first = next(iter(self._filters), None)
        self._process: Any = first if process is None else process
        self._cgroup: Any = next((each for each in self._filters if _CGROUP in each.flags), None)
        self._top: Any = top
        self._most = most
        self._layout = layout or Blocks(show)
        self._header = header
        self._exclusive = exclusive
        self._instead = instead
        self._letters = letters
        self._early = early
        self._single = single
        self._meanwhile = meanwhile
        self._examples = examples
        self._interval_s = interval_s
        self._times = times

    @property
    def name(self) -> str:
        """What the tool is called: its module's last name."""
        spec = self._module.__spec__
        if spec is not None:
            return spec.name.rpartition(".")[2]
        file = getattr(self._module, "__file__", None) or self._module.__name__
        return os.path.basename(file).removesuffix(".py")  # noqa: PTH119 - quick to import

    def probes_for(self, consts: Mapping[ConstDecl, Any]) -> tuple[Loadable, ...]:
        """Return what is loaded with these options.

        Raises:
            ValueError: they make no sense.
        """
        return self.probes if self._make is None else tuple(self._make(Options(consts)))

    def _loadable(self, choice: Choice) -> tuple[Loadable, ...]:
        try:
            return self.probes_for(choice.consts)
        except ValueError as err:
            raise UsageError(str(err)) from None

    def command_line(self) -> CommandLine:
        """Return the options of the tool, and what reads them."""
        named = declared(vars(self._module).items())
        own = [option for option in named if option.key not in self._filters]
        shared = [
            option.spelled(self._spelled.get(option.key, ()))
            for option in declared(("", const) for const in self._filters)
        ]
        return CommandLine(
            own,
            shared=shared,
            lacks=self._lacks,
            reports=self._report is not None,
            lasts=self._follow is None,
            loads=self._loads,
            letters=self._letters,
            lines=self._lines is not None,
            ranks=self._top is None and self._most != "none",
            starts=self._process is not None and self._follow is None,
            follows=self._cgroup is not None,
            stamps=not self._layout.stamps and self._lines is None,
            single=self._single,
            interval_s=self._interval_s,
            times=self._times,
        )

    def run(self, seconds: float = 10, **options: Any) -> R:
        """Trace for some time and return what the tool reports.

        What was lost is warned of.

        Args:
            seconds: how long.
            options: values by the long names of the options: ``disk=dev_of("sda")``.

        Raises:
            PyebpfError: loading failed, as from ``pyebpf.load``.
            TypeError: there is no such option, or the tool reports nothing.
            ValueError: with these options there is nothing to load.
        """
        if self._report is None:
            raise TypeError(f"{self.name} prints as it goes and has no result to return")
        consts = self._chosen(options)
        if not self._loads:
            return self._report(cast("Session", Options(consts)))
        with load(*self.probes_for(consts), options=consts) as session:
            session.sleep(seconds)
            session.detach()
            result = self._report(session)
            for text in Losses().news(session.lost()):
                warnings.warn(text, RuntimeWarning, stacklevel=2)
            limit = value_of(self._top, consts)
            return largest(result, limit, self._most) if limit else result

    def _chosen(self, options: dict[str, Any]) -> dict[ConstDecl, Any]:
        known: dict[str, ConstDecl] = {
            option.name: option.key
            for option in self.command_line().options
            if not isinstance(option.key, str)
        }
        for name in options:
            if name not in known:
                have = ", ".join(known) or "none"
                raise TypeError(f"{self.name} has no option {name!r}; it has {have}")
        consts = {known[name]: value for name, value in options.items()}
        if clash := self._clash(consts):
            raise TypeError(clash)
        return consts

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Run the tool as a program and return its exit code.

        Returns:
            0, also after Ctrl-C; 1 when something failed; 2 for a command line that makes no sense;
            3 when the probes took more than ``--max-overhead`` and were detached.
        """
        line = self.command_line()
        output.tolerate_any_text()
        try:
            choice = line.parse(sys.argv[1:] if argv is None else argv)
            self._check(choice)
            return self._guarded(choice, line)
        except UsageError as err:
            again = f"try {output.typed(self.name)} --help"
            output.complain(self.name, f"{err}\n{line.usage(self.name)}\n{again}")
            return MISUSED

    def perform(
        self, argv: Sequence[str], draw: Callable[[Any, Callable[[Any], str]], object]
    ) -> None:
        """Run the tool as :meth:`main` does, but hand its reports over, and raise what fails.

        An interval without a number of intervals is for one report, as ``run(seconds=…)`` makes it.

        Args:
            argv: the command line.
            draw: takes a result, and what makes text of one. Other output is written as always.

        Raises:
            UsageError: the command line makes no sense.
            PyebpfError, OSError: something failed.
        """
        choice = self.command_line().parse(argv)
        self._check(choice)
        choice.frame["draw"] = draw
        if choice.interval_s is not None and "duration" not in choice.frame:
            choice = choice.replace(times=choice.times or 1)
        with _types_from(choice.frame.get("btf")):
            self._act(choice, self.command_line())

    def _check(self, choice: Choice) -> None:
        if clash := self._clash(choice.consts):
            raise UsageError(clash)
        for const, value in choice.consts.items():
            if any(flag in _NUMBERS for flag in const.flags):
                _check_number(const, value)
        if "exec" in choice.frame:
            if self._process in choice.consts:
                raise UsageError(f"can only use {self._process.flags[0]} or --exec")
            if "follow" in choice.frame and self._cgroup in choice.consts:
                raise UsageError(f"can only use {_CGROUP} or --follow")
            command.path_of(choice.frame["exec"])
        elif "follow" in choice.frame:
            raise UsageError("--follow: whom? There is no --exec")
        command.check_numbers(
            [flag for const in choice.consts for flag in const.flags if flag in _NUMBERS]
            + ["--exec"] * ("exec" in choice.frame and "follow" not in choice.frame)
        )

    def _clash(self, consts: dict[ConstDecl, Any]) -> str:
        for group in self._exclusive:
            given = [const for const in consts if const in group and consts[const]]
            if len(given) > 1:
                return f"can only use {' or '.join(const.flags[0] for const in given)}"
        return ""

    def _guarded(self, choice: Choice, line: CommandLine) -> int:
        try:
            program.ready()
            with _types_from(choice.frame.get("btf")), watching.at_terminal():
                return self._act(choice, line)
        except OutputError as err:
            if err.is_closed:
                return CLOSED_PIPE
            output.complain(self.name, str(err))
        except CompileError as err:
            output.complain(self.name, f"its probes do not fit this kernel\n{err}")
        except (PyebpfError, OSError) as err:
            output.complain(self.name, output.reason(err))
        except KeyboardInterrupt:
            return program.INTERRUPTED
        return FAILED

    def _act(self, choice: Choice, line: CommandLine) -> int:
        if "help" in choice.frame:
            output.write(self._help(line))
        elif "version" in choice.frame:
            output.write(f"{self.name} (pyebpf {__version__})\n")
        elif "explain" in choice.frame:
            output.write(self._explanation(choice))
        elif "ebpf" in choice.frame:
            compiled = compile_probes(*self._loadable(choice), options=choice.consts)
            output.write(listing.listing(read_object(compiled)))
        elif "dry_run" in choice.frame:
            self._try(choice)
        elif said := [text for option, text in self._instead.items() if choice.consts.get(option)]:
            output.write(said[0]())
        elif not self._loads:
            self._reports(cast("Session", Options(choice.consts)), choice).once()
        else:
            return self._trace(choice)
        return 0

    def _help(self, line: CommandLine) -> str:
        parts = [line.usage(self.name), helping.filled(self._module.__doc__ or "")]
        parts.append(f"options:\n{line.help()}")
        parts.append(helping.filled(line.lacking()))
        parts.append(helping.examples(self._examples) if self._examples else "")
        parts.append(helping.statuses(lasts=self._loads, costs=self._loads))
        return "\n\n".join(part for part in parts if part) + "\n"

    def _explanation(self, choice: Choice) -> str:
        compiled = compile_probes(*self._loadable(choice), options=choice.consts)
        kernel = os.uname().release
        return f"{self.name} on Linux {kernel} attaches\n{explained.words(compiled)}\n"

    def _try(self, choice: Choice) -> None:
        with load(*self._loadable(choice), options=choice.consts) as session:
            names = ", ".join(info.name for info in session.compiled.programs)
            output.write(f"{self.name}: {names}: compiled, accepted by the verifier, attached")
        output.write(" and at once detached again; nothing was reported\n")

    def _loaded(
        self, choice: Choice, end: Callable[[], None] | None
    ) -> AbstractContextManager[Session]:
        """Load what is traced; ``end`` ends the run when that takes too much, or Ctrl-C does."""
        probes = self._loadable(choice)
        if choice.frame.keys() & {"cost", "max_overhead"}:
            return cost.measured(self.name, probes, choice, end)
        return load(*probes, options=choice.consts)

    def _trace(self, choice: Choice) -> int:
        if self._follow is not None:
            return self._hand_over(self._follow, choice)
        with ExitStack() as stack:
            patience = stack.enter_context(Patience())
            patience.tell = output.teller(choice.frame)
            traced = None
            if "exec" in choice.frame:
                traced = stack.enter_context(command.stopped(choice.frame["exec"]))
                stack.enter_context(self._alone(traced, choice))
            elif self._may_begin_early(choice):
                headstart.own.listen()
            session = stack.enter_context(self._loaded(choice, patience.end))
            begin = headstart.own.traced_since_ns() / _NS
            if self._meanwhile is not None:
                self._meanwhile(session)  # what is traced may soon be gone
            if not choice.frame.keys() & {"json", "csv", "draw"}:
                self._begin(session)
            printer = self._printer(session, choice)
            headstart.own.keep()
            if headstart.own.missed:
                output.complain(self.name, _MISSED)
            if traced is not None:
                patience.end_with(traced)
                traced.begin()
            end = begin + choice.frame.get("duration", FOREVER)
            if printer is not None:
                self._print_lines(session, printer, patience, end)
            elif self._report is None:
                patience.wait(session, end)
                patience.finish(session)
                self._tell_losses(session, Losses())
            else:
                importlib.import_module("numpy")  # what reads maps needs it: now there is time
                tell = partial(self._tell_losses, session)
                self._reports(session, choice).run(patience, begin, tell)
        return _code(session, choice)

    def _may_begin_early(self, choice: Choice) -> bool:
        if choice.frame.keys() & _NOT_AGAIN:
            return False
        return self._early or any(
            value and not {*const.flags}.isdisjoint(_NUMBERS)
            for const, value in choice.consts.items()
        )

    @contextmanager
    def _alone(self, traced: command.Command, choice: Choice) -> Iterator[None]:
        """Have a command traced alone: by its number, or by a cgroup of its own."""
        if "follow" in choice.frame:
            with command.followed(traced) as choice.consts[self._cgroup]:
                yield
        else:
            several = isinstance(self._process.default, tuple)
            choice.consts[self._process] = (traced.pid,) if several else traced.pid
            yield

    def _begin(self, session: Session) -> None:
        header = self._header if isinstance(self._header, str) else self._header(session)
        if header:
            output.announce(f"{header}\n")

    def _printer(self, session: Session, choice: Choice) -> Printer | None:
        if self._lines is None or (self._summary is not None and session.option(self._summary)):
            return None
        json, csv = "json" in choice.frame, "csv" in choice.frame
        return self._lines.printer(session, json=json, csv=csv, tool=self.name)

    def _print_lines(
        self, session: Session, printer: Printer, patience: Patience, end: float
    ) -> None:
        while not (patience.is_over or printer.is_done) and (left := end - time.monotonic()) > 0:
            printer.wait(min(left, SLICE))
            if self._meanwhile is not None:
                self._meanwhile(session)
        patience.finish(session)
        printer.wait()
        printer.end()
        self._tell_losses(session, Losses(printer.name))

    def _hand_over(self, follow: Callable[[Session], object], choice: Choice) -> int:
        output.write_by_lines()
        with self._loaded(choice, None) as session:
            self._begin(session)
            try:
                follow(session)
            except KeyboardInterrupt:
                pass
            except BrokenPipeError as err:
                output.drop_the_rest()
                raise OutputError(err) from None
            session.detach()
            self._tell_losses(session, Losses())
        return _code(session, choice)

    def _reports(self, session: Session, choice: Choice) -> reports.Reports:
        assert self._report is not None
        plan = reports.Plan(
            self._report,
            self._layout,
            self._top,
            self._most,
            self._meanwhile,
            self._interval_s,
            self._times,
        )
        return reports.Reports(plan, session, choice)

    def _tell_losses(self, session: Session, losses: Losses) -> None:
        for text in losses.news(session.lost()):
            output.complain(self.name, text)


def _code(session: Session, choice: Choice) -> int:
    return EXCEEDED if "max_overhead" in choice.frame and session.exceeded else 0


@contextmanager
def _types_from(file: str | None) -> Iterator[None]:
    """Take the kernel's types from a file; reports ask for types too, so all of the tool does."""
    before = os.environ.get("PYEBPF_BTF")
    if file is not None:
        os.environ["PYEBPF_BTF"] = file
    try:
        yield
    finally:
        if before is not None:
            os.environ["PYEBPF_BTF"] = before
        elif file is not None:
            del os.environ["PYEBPF_BTF"]


def run(
    *probes: Loadable,
    report: Callable[[Session], object] | None = None,
    follow: Callable[[Session], object] | None = None,
    header: str = "",
) -> NoReturn:
    """Run probes as the program that the calling module is, and exit.

    A :class:`Tool` in one call: the module's ``Const`` declarations are its options, its docstring
    is its help, Ctrl-C ends it, and what fails is one message.

    Args:
        probes: what to load.
        report: makes the result of one interval; without it and ``follow``, what the probes print
            is shown.
        follow: gets the session while the probes are attached.
        header: printed when they are.

    Raises:
        SystemExit: always, with the exit status.
    """
    module = sys._getframe(1).f_globals["__name__"]  # noqa: SLF001
    tool = Tool(module, probes=probes, report=report, follow=follow, header=header)
    raise SystemExit(tool.main())
