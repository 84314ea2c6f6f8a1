"""What a word of a command line means as a program: a Python file, a module, an object file."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from pyebpf.btf.near import did_you_mean, nearest
from pyebpf.cli.commands import option
from pyebpf.cli.options import Option, UsageError, declared, whole
from pyebpf.dsl.constants import ConstDecl
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.errors import PyebpfError
from pyebpf.plain import Frozen
from pyebpf.progress import doing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from pyebpf.dsl.probes.alternatives import Loadable

T = TypeVar("T")

#: What the help of a command says of PROGRAM.
PROGRAM_HELP = """\
PROGRAM is a Python file or the name of a module, with a colon and the name of a probe behind it
for that probe alone: probe.py, probe.py:issue, pyebpf.tools.biolatency."""
#: The option of commands that take a program; :func:`chosen` reads its values.
DEFINE = option(
    "-D", "--define", metavar="NAME=VALUE", help="give a Const a value; NAME alone turns it on"
)


class Program(Frozen):
    """A module, the probes that are wanted of it, and the options that it loads them with."""

    module: ModuleType
    probes: tuple[Loadable, ...]
    options: dict[ConstDecl, Any]


class _Loads(BaseException):
    """A script has come to its ``load``: everything is declared, and nothing is to run.

    No ``Exception``, so that the script's own handlers let it pass.
    """

    def __init__(self, options: dict[ConstDecl, Any] | None) -> None:
        super().__init__()
        self.options = dict(options or {})


def _instead_of_load(*_: object, options: dict[ConstDecl, Any] | None = None, **__: object) -> None:
    raise _Loads(options)


def read_program(word: str) -> Program:
    """Import what a word names.

    Raises:
        PyebpfError: there is no such thing, it has no probe, or importing it failed.
        OSError: the file cannot be read.
    """
    place, _, name = word.rpartition(":") if _names_a_part(word) else (word, "", "")
    with doing(f"importing {place}"):
        module, options = _imported(place)
    found = _loadable(module)
    if not found:
        raise PyebpfError(f"{place}: no probe in it: nothing is decorated with a hook")
    if name and name not in found:
        near = did_you_mean(nearest(name, found)) or f"; it has {', '.join(found)}"
        raise PyebpfError(f"{place}: there is no probe `{name}` in it{near}")
    wanted = {found[name]: None} if name else dict.fromkeys(found.values())
    return Program(module, tuple(wanted), options)


def _loadable(module: ModuleType) -> dict[str, Loadable]:
    """Return the probes of a module by their names; of alternatives not each, but what chooses."""
    names = vars(module).items()
    found = {key: value for key, value in names if isinstance(value, (Probe, Alternatives))}
    chosen = [each for each in found.values() if isinstance(each, Alternatives)]
    inside = {id(probe) for each in chosen for way in each.ways for probe in way}
    return {key: value for key, value in found.items() if id(value) not in inside}


def _names_a_part(word: str) -> bool:
    return word.rpartition(":")[2].isidentifier() and ":" in word[1:]


def _imported(place: str) -> tuple[ModuleType, dict[ConstDecl, Any]]:
    """Import a program; of a script that loads its probes at once, as far as that."""
    if not _names_a_file(place) and all(part.isidentifier() for part in place.split(".")):
        return _guarded(place, lambda: _by_name(place)), {}
    # As for `python FILE`: its own name is all that it is given, and its folder is looked in.
    sys.argv = [place]
    sys.path.insert(0, os.path.dirname(os.path.abspath(place)))  # noqa: PTH100, PTH120
    module = ModuleType("__pyebpf_program__")
    module.__file__ = place
    sys.modules[module.__name__] = module  # what it declares is looked up there
    # Whether it can be read is no fault of its text; what Python says of zeros differs by version.
    with open(place, "rb") as file:  # noqa: PTH123
        if b"\0" in file.read():
            raise PyebpfError(f"{place} is no Python program: it has bytes that are zero")
    package, options = sys.modules["pyebpf"], dict[ConstDecl, Any]()
    loader, load = SourceFileLoader(module.__name__, place), package.load
    package.load = _instead_of_load  # type: ignore[attr-defined]
    try:
        _guarded(place, lambda: loader.exec_module(module))
    except _Loads as loads:
        options = loads.options
    finally:
        package.load = load  # type: ignore[attr-defined]
    return module, options


def _names_a_file(place: str) -> bool:
    """Tell a file by how its name ends; without an end, a module may have the same name."""
    return place.endswith(".py") or ("." in place and os.path.isfile(place))  # noqa: PTH113


def _by_name(name: str) -> ModuleType:
    sys.path.insert(0, "")  # as `python -m` does, which the installed program does not
    return importlib.import_module(name)


def _guarded(place: str, load: Callable[[], T]) -> T:
    """Import, and say where the user's own code fails without showing ours."""
    try:
        return load()
    except PyebpfError:
        raise
    except SystemExit as err:
        raise PyebpfError(f"{place}: it ended when it was imported: {err}") from None
    except SyntaxError as err:
        where = f"{err.filename}:{err.lineno}" if err.filename else f"{place} is no Python program"
        raise PyebpfError(f"{where}: {err.msg}") from None
    except ModuleNotFoundError as err:
        if err.name == place.partition(".")[0] or err.name == place:
            raise PyebpfError(f"there is no file and no module {place!r}") from None
        raise PyebpfError(f"{_place_of(err.__traceback__, place)}: {err}") from None
    except Exception as err:  # noqa: BLE001 - it is the user's own code that raises
        text = f"{_place_of(err.__traceback__, place)}: {type(err).__name__}: {err}"
        raise PyebpfError(text) from None


def _place_of(trace: TracebackType | None, place: str) -> str:
    """Return the last line of code outside of this package and the import system."""
    found = place
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith("<") and file != __file__ and "importlib" not in file:
            found = f"{file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def chosen(program: Program, definitions: Sequence[str]) -> dict[ConstDecl, Any]:
    """Return the options of a program, with the values that ``NAME=VALUE`` give to its constants.

    Args:
        program: whose ``Const`` declarations are meant.
        definitions: NAME is a variable, or the long flag of one: ``pid``, ``--pid``, ``min-us``.

    Raises:
        UsageError: there is no such constant, or that is no value of it.
    """
    names = vars(program.module).items()
    known = {name: value for name, value in names if isinstance(value, ConstDecl)}
    flags = {option.name: option for option in declared(list(known.items()))}
    values = dict(program.options)
    for text in definitions:
        name, equals, value = text.partition("=")
        key = name.lstrip("-").replace("-", "_")
        option = flags.get(key)
        const = option.key if option is not None else known.get(name)
        if not isinstance(const, ConstDecl):
            near = did_you_mean(nearest(key, {*known, *flags}))
            have = near or f"; it has {', '.join(known) or 'none'}"
            raise UsageError(f"-D {text}: there is no constant `{name}`{have}")
        values[const] = _value(const, option, value if equals else None, text)
    return values


_WORDS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def _value(const: ConstDecl, option: Option | None, value: str | None, text: str) -> Any:
    is_switch = isinstance(const.default, bool) and const.convert is None
    if value is None:
        if not is_switch:
            raise UsageError(f"-D {text}: say which value: -D {text}=VALUE")
        return option.value if option is not None else not const.default
    try:
        if is_switch:
            return _WORDS[value.lower()]
        convert = const.convert or (whole if isinstance(const.default, int) else str)
        return convert(value)
    except KeyError:
        raise UsageError(f"-D {text}: {value!r} is neither true nor false") from None
    except ValueError as err:
        raise UsageError(f"-D {text}: {err}") from None
