"""Command lines: the options that a tool declares, and those that every tool has.

They are read as GNU programs read theirs: ``-mT``, ``--disk=sda``, shortened long options, options
after other words. To import ``getopt`` costs a start 1 ms, argparse 7.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyebpf.dsl.constants import ConstDecl
from pyebpf.errors import PyebpfError
from pyebpf.lazy import lazy
from pyebpf.plain import Frozen

if TYPE_CHECKING:
    import shlex
    import textwrap

    from pyebpf.btf import near
else:
    shlex, textwrap = lazy("shlex"), lazy("textwrap")  # few starts need them
    near = lazy("pyebpf.btf.near")

_COLUMN, _WIDTH = 26, 79  # where the explanations begin, and end


class UsageError(Exception):
    """A command line that makes no sense. ``str()`` says why."""


class Option(Frozen):
    """One option.

    Attributes:
        key: what :class:`Choice` files its value under: a ``Const``, or a word of the frame.
        name: as a keyword argument: the long flag without dashes, or the variable's name.
        flags: its spellings; one name without dashes if it is given by its place.
        metavar: what the help calls its argument; empty if it takes none.
        help: one line.
        value: what it means when given without an argument; True, if it takes none; None if it has
            to have one.
        counted: how often it is given is its value.
        convert: makes the value of its argument. A ValueError says what is wrong with it.
    """

    key: ConstDecl | str
    name: str
    flags: tuple[str, ...]
    metavar: str
    help: str
    value: Any = None
    convert: Callable[[str], Any] = str
    counted: bool = False

    @property
    def is_positional(self) -> bool:
        """Whether it is given by its place, without a flag."""
        return not self.flags[0].startswith("-")

    def spelled(self, more: Iterable[str]) -> Option:
        """Return it with more flags: letters come before words."""
        flags = sorted((*self.flags, *more), key=lambda flag: flag.startswith("--"))
        return self.replace(flags=tuple(flags))


class Choice(Frozen):
    """What a command line asks for: values of constants, words of the frame, intervals."""

    consts: dict[ConstDecl, Any]
    frame: dict[str, Any]
    interval_s: float | None = None
    times: int | None = None


def seconds(text: str) -> float:
    """Read a time span: a number of seconds above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ValueError(f"{text!r} is no number of seconds above 0")
    return value


def whole(text: str) -> int:
    """Read a whole number, decimal or with a prefix such as ``0x``.

    >>> whole("0x1f")
    31

    Raises:
        ValueError: it is none.
    """
    try:
        return int(text, 0)
    except ValueError:
        raise ValueError(f"{text!r} is no whole number") from None


def numbers(text: str) -> tuple[int, ...]:
    """Read whole numbers with commas between them.

    >>> numbers("185,0x10")
    (185, 16)
    """
    return tuple(map(whole, text.split(",")))


def positive(text: str) -> int:
    """Read a whole number above 0.

    >>> positive("12")
    12

    Raises:
        ValueError: it is none.
    """
    value = whole(text)
    if value < 1:
        raise ValueError(f"{text!r} is no count: 1 at least")
    return value


_TIMESTAMP = Option(
    "timestamp", "timestamp", ("-T", "--timestamp"), "", "include the time in the output"
)
_JSON = Option("json", "json", ("-j", "--json"), "", "print JSON, one object per line")
_CSV = Option("csv", "csv", ("--csv",), "", "print comma-separated values, below their names")
_TOP = Option("top", "top", ("--top",), "N", "show only so many, what has most", convert=positive)
_DURATION = Option(
    "duration",
    "duration",
    ("--duration",),
    "SECONDS",
    "stop after so many seconds",
    convert=seconds,
)


def percent(text: str) -> float:
    """Read a share: a number above 0 and 100 at most, with or without ``%``."""
    try:
        value = float(text.strip().removesuffix("%"))
    except ValueError:
        value = 0.0
    if not 0 < value <= 100:
        raise ValueError(f"{text!r} is no share: above 0 %, 100 % at most")
    return value


def words(text: str) -> list[str]:
    """Read a command as a shell does, without running it."""
    found = shlex.split(text)
    if not found:
        raise ValueError("the command is missing")
    return found


#: What a tool may have as flags besides, by their letters.
_LETTERS = {
    "-c": Option(
        "exec", "command", ("-c", "--command"), "COMMAND", "as --exec, with a command in quotes",
        convert=words,
    ),
    "-i": Option(
        "interval", "interval", ("-i", "--interval"), "SECONDS", "seconds between outputs",
        convert=seconds,
    ),
    "-d": _DURATION.replace(flags=("-d", "--duration")),
    "-D": _DURATION.replace(flags=("-D", "--duration")),
    "-n": Option(
        "number", "number", ("-n", "--number"), "COUNT", "how many outputs", convert=positive
    ),
    "-s": _CSV.replace(flags=("-s", "--csv")),
}  # fmt: skip
_EXEC = Option(
    "exec", "exec", ("--exec",), "COMMAND …", "run this command, and trace it alone until it ends"
)
_FOLLOW = Option(
    "follow", "follow", ("--follow",), "", "with --exec: trace all that the command starts, too"
)
_LOADING = (
    Option("dry_run", "dry_run", ("--dry-run",), "", "load and check the programs, trace nothing"),
    Option(
        "explain", "explain", ("--explain",), "", "say what is attached and read; needs no root"
    ),
    Option(
        "btf",
        "btf",
        ("--btf",),
        "FILE",
        "types of this kernel, if it was built without",
    ),
    Option("ebpf", "ebpf", ("--ebpf",), "", "print the compiled programs; needs no root"),
    Option("cost", "cost", ("--cost",), "", "at the end, say what the probes cost"),
    Option(
        "max_overhead",
        "max_overhead",
        ("--max-overhead",),
        "PERCENT",
        "detach and end when the probes take more of all CPUs than this",
        convert=percent,
    ),
)
_COMMON = (
    Option("version", "version", ("--version",), "", "print the version"),
    Option("help", "help", ("-h", "--help"), "", "print this help"),
)


#: The words of the options that say whose work is traced, which ``pyebpf.lib.filters`` declares.
OF_TASKS = ("--pid", "--tid", "--uid", "--comm", "--cgroup", "--container")


def declared(names: Iterable[tuple[str, Any]]) -> list[Option]:
    """Return the options that a module's names declare, in their order."""
    found = [(name, value) for name, value in names if isinstance(value, ConstDecl)]
    return [_of_const(name, const) for name, const in found if const.flags]


def _of_const(name: str, const: ConstDecl) -> Option:
    long = [flag for flag in const.flags if flag.startswith("--")]
    keyword = long[0].removeprefix("--").replace("-", "_") if long else name
    by_place = not const.flags[0].startswith("-")
    if by_place and (len(const.flags) > 1 or isinstance(const.default, bool)):
        raise PyebpfError(
            f"Const({const.default!r}, {', '.join(map(repr, const.flags))}): an argument without a "
            "flag has one name and is no switch"
        )
    if isinstance(const.default, bool) and const.convert is None:
        return Option(const, keyword, const.flags, "", const.help, not const.default)
    if const.counted:
        return Option(const, keyword, const.flags, "", const.help, 1, counted=True)
    convert = const.convert or (whole if isinstance(const.default, int) else str)
    metavar = const.metavar or keyword.upper()
    metavar = metavar if const.bare is None else f"[{metavar}]"
    return Option(const, keyword, const.flags, metavar, const.help, const.bare, convert)


def scan(
    options: Sequence[Option], argv: Sequence[str]
) -> tuple[list[tuple[Option, Any]], list[str]]:
    """Return the options of a command line with their values, and the other words.

    Raises:
        UsageError: it makes no sense.
    """
    by_flag = {flag: option for option in options for flag in option.flags}
    given, rest = _split(by_flag, _completed(by_flag, argv))
    found = []
    for flag, text in given:
        option = by_flag[flag]
        bare = text == _NOTHING or not option.metavar
        value = True if option.value is None else option.value
        found.append((option, value if bare else _converted(option.convert, text, flag)))
    return found, rest


def _split(
    by_flag: Mapping[str, Option], argv: Sequence[str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the flags with their arguments, empty for none, and the words that are neither."""
    given: list[tuple[str, str]] = []
    words, rest = [*argv], list[str]()
    while words:
        word = words.pop(0)
        if word == "--":
            return given, rest + words
        if word.startswith("--"):
            given.append(_long(by_flag, word, words))
        elif word.startswith("-") and word != "-":
            given += _short(by_flag, word, words)
        elif "POSIXLY_CORRECT" in os.environ:
            return given, [word, *words]
        else:
            rest.append(word)
    return given, rest


def _long(by_flag: Mapping[str, Option], word: str, following: list[str]) -> tuple[str, str]:
    """Read ``--name``, ``--name=argument``, or what is left of a name when its end is cut off."""
    name, equals, text = word.partition("=")
    meant = [name] if name in by_flag else [flag for flag in by_flag if flag.startswith(name)]
    if len(meant) != 1:
        why = "not a unique prefix" if meant else "not recognized"
        raise UsageError(f"option {name} {why}{_meant(name, by_flag)}")
    flag = meant[0]
    if not by_flag[flag].metavar and equals:
        raise UsageError(f"option {flag} must not have an argument")
    if by_flag[flag].metavar and not equals:
        text = _next(flag, following)
    return flag, text


def _short(
    by_flag: Mapping[str, Option], word: str, following: list[str]
) -> Iterator[tuple[str, str]]:
    """Read letters in one word, the last perhaps with its argument in it or as the next word."""
    letters = word[1:]
    while letters:
        flag, letters = f"-{letters[0]}", letters[1:]
        if flag not in by_flag:
            raise UsageError(f"option {flag} not recognized")
        text = ""
        if by_flag[flag].metavar:
            text, letters = letters or _next(flag, following), ""
        yield flag, text


def _next(flag: str, following: list[str]) -> str:
    if not following:
        raise UsageError(f"option {flag} requires argument")
    return following.pop(0)


def _meant(name: str, known: Iterable[str]) -> str:
    """Offer the words that resemble one that is no option."""
    words = [flag for flag in known if flag.startswith("--")]
    return near.did_you_mean(near.nearest(name, words)) if len(name) > len("--x") else ""


#: Stands for an argument that was left out: no word of a command line has a NUL.
_NOTHING = "\0"


def _completed(by_flag: Mapping[str, Option], argv: Sequence[str]) -> list[str]:
    """Return the words with something after each flag whose argument was left out."""
    words: list[str] = []
    for place, word in enumerate(argv):
        if word == "--":
            return [*words, *argv[place:]]
        words.append(word)
        option = by_flag.get(word)
        may_miss = option is not None and option.metavar and option.value is not None
        if may_miss and (place + 1 == len(argv) or argv[place + 1].startswith("-")):
            words.append(_NOTHING)
    return words


class CommandLine:
    """The options of one tool.

    Args:
        own: the tool's own.
        shared: those that it shares with others, as far as its own leave their flags.
        lacks: why it has not those of :data:`OF_TASKS`, if it has none of them.
        reports: it has intervals, and formats.
        lasts: it goes on until it is stopped.
        loads: it loads programs; without that it looks once at what is there.
        letters: ``"-i"``, ``"-d"`` or ``"-D"``, ``"-n"``, ``"-s"`` if the interval, the duration,
            the number of intervals and ``--csv`` are flags of one letter too.
        lines: it prints a line for each event.
        ranks: some of what it reports may have more than the rest.
        starts: it can start a command: all that follows ``--exec``.
        follows: it can trace what that starts, too.
        stamps: the time of day can be printed above what it reports.
        single: it reports once, and its argument says after how long.
        interval_s: the interval if none is given.
        times: how many outputs, likewise.

    Attributes:
        options: the tool's own, then those that it shares, then the frame's.
    """

    def __init__(  # noqa: PLR0913 - one argument for each thing that a tool may have
        self,
        own: Sequence[Option],
        *,
        shared: Sequence[Option] = (),
        lacks: str = "",
        reports: bool,
        lasts: bool = True,
        loads: bool = True,
        letters: Sequence[str] = (),
        lines: bool = False,
        ranks: bool = False,
        starts: bool = False,
        follows: bool = False,
        stamps: bool = True,
        single: bool = False,
        interval_s: float | None = None,
        times: int | None = None,
    ) -> None:
        taken = {flag for option in own for flag in option.flags}
        letters = (*letters, "-d") if lines and "-d" not in letters else letters
        frame = (_EXEC,) * starts + (_FOLLOW,) * (starts and follows)
        frame += (_TIMESTAMP,) * (reports and stamps) + (_JSON,) * (reports or lines)
        frame += (_CSV,) * ((reports or lines) and "-s" not in letters)
        frame += (_TOP,) * (reports and ranks)
        frame += tuple(_LETTERS[letter] for letter in letters)
        frame += (_DURATION,) * (lasts and loads and not {"-d", "-D"}.intersection(letters))
        frame += _LOADING * loads + _COMMON
        free = (
            option.replace(flags=tuple(flag for flag in option.flags if flag not in taken))
            for option in (*shared, *frame)
        )
        self.options = [*own, *(option for option in free if option.flags)]
        self._words = _words(reports=reports and loads, lines=lines, single=single)
        self._starts, self._lacks = starts, lacks
        self._interval_s, self._times = interval_s, times
        self._placed = [option for option in own if option.is_positional]

    def parse(self, argv: Sequence[str]) -> Choice:
        """Read a command line.

        Raises:
            UsageError: it makes no sense.
        """
        argv, command = self._without_command(argv)
        self._explain_lacks(argv)
        given, rest = scan([o for o in self.options if not o.is_positional], argv)
        placed = [*zip(self._placed, rest, strict=False)]  # the last may be left out
        if self._takes_rest:
            placed += ((self._placed[-1], text) for text in rest[len(self._placed) :])
            rest = rest[: len(self._placed)]
        given += [
            (option, _converted(option.convert, text, option.flags[0])) for option, text in placed
        ]
        choice = self._timed(rest[len(self._placed) :])
        for option, value in given:
            if isinstance(option.key, str):
                choice.frame[option.key] = value
            elif option.counted:
                choice.consts[option.key] = choice.consts.get(option.key, 0) + value
            else:
                merge: Any = option.key.merge
                before = choice.consts.get(option.key)
                several = merge is not None and before is not None
                choice.consts[option.key] = merge(before, value) if several else value
        if command:
            choice.frame["exec"] = command
        interval = choice.frame.pop("interval", choice.interval_s)
        return choice.replace(interval_s=interval, times=choice.frame.pop("number", choice.times))

    def _explain_lacks(self, argv: Sequence[str]) -> None:
        known = {flag for option in self.options for flag in option.flags}
        for flag in (word.partition("=")[0] for word in argv if self._lacks):
            if flag in OF_TASKS and flag not in known:
                raise UsageError(f"there is no {flag} here: {self._lacks}")

    @property
    def _takes_rest(self) -> bool:
        """Whether the last argument may be given several times."""
        last = self._placed[-1].key if self._placed else ""
        return not isinstance(last, str) and last.merge is not None

    def _without_command(self, argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
        flag = _EXEC.flags[0]
        if not self._starts or flag not in argv:
            return argv, ()
        where = argv.index(flag)
        if not argv[where + 1 :]:
            raise UsageError(f"{flag}: the command is missing")
        return argv[:where], argv[where + 1 :]

    def _timed(self, rest: list[str]) -> Choice:
        if len(rest) > len(self._words):
            raise UsageError(f"{rest[-1]!r} is one argument too many")
        given = {
            word: _converted(positive if word == "count" else seconds, text, word)
            for word, text in zip(self._words, rest, strict=False)
        }
        frame = {word: given[word] for word in given if word == "duration"}
        return Choice({}, frame, given.get("interval"), given.get("count"))

    def usage(self, program: str) -> str:
        """Return the line that says how to call the tool."""
        words = [option.flags[0] for option in self._placed]
        if self._takes_rest:
            words[-1] += " …"
        words += self._words
        optional = "".join(f" [{word}" for word in words) + "]" * len(words)
        return f"usage: {program} [options]{optional}"

    def help(self) -> str:
        """Return a line or two for each argument and option."""
        usual = "one, at Ctrl-C" if self._interval_s is None else f"{self._interval_s:g}"
        said = {
            "interval": f"seconds between outputs (default: {usual})",
            "count": "how many outputs" + (f" (default: {self._times})" if self._times else ""),
            "duration": "seconds to trace (default: until Ctrl-C)",
        }
        words = [(option.flags[0], option.help) for option in self._placed]
        words += [(word, said[word]) for word in self._words]
        flagged = [option for option in self.options if not option.is_positional]
        return "\n".join([*(row(left, text) for left, text in words), *rows(flagged)])

    def lacking(self) -> str:
        """Return why it has not the options that others have; empty if it has them."""
        known = {flag for option in self.options for flag in option.flags}
        missing = ", ".join(flag for flag in OF_TASKS if flag not in known)
        return f"There is no {missing}:\n{self._lacks}." if self._lacks and missing else ""


def _words(*, reports: bool, lines: bool, single: bool) -> list[str]:
    """Return what may stand behind the tool's own arguments."""
    if not reports or lines:
        return []
    return ["duration"] if single else ["interval", "count"]


def _converted(convert: Callable[[str], Any], text: str, what: str) -> Any:
    try:
        return convert(text)
    except ValueError as err:
        raise UsageError(f"{what}: {err}") from None


def rows(options: Sequence[Option]) -> list[str]:
    """Return what a help says of options, a line or two for each."""
    return [row(_spelled(option), option.help) for option in options]


def _spelled(option: Option) -> str:
    return ", ".join(option.flags) + (f" {option.metavar}" if option.metavar else "")


def row(left: str, text: str) -> str:
    """Return a word or an option with its explanation beside it."""
    first = f"  {left}".ljust(_COLUMN - 1) + " "
    begin = first if len(first) == _COLUMN else f"{first.rstrip()}\n{' ' * _COLUMN}"
    lines = textwrap.wrap(text, _WIDTH - _COLUMN) or [""]
    return (begin + f"\n{' ' * _COLUMN}".join(lines)).rstrip()
