"""The command ``pyebpf completion``: what a shell completes, from the declarations of options."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from pyebpf.cli import output
from pyebpf.cli.commands import COMMANDS, Arguments
from pyebpf.cli.options import UsageError

if TYPE_CHECKING:
    from pyebpf.cli.options import Option

_ABOUT = """Print what makes a shell complete command lines of pyebpf: the names of tools and
commands, their options, and what these take."""
_EXAMPLES = """
    pyebpf completion bash > ~/.local/share/bash-completion/completions/pyebpf
    pyebpf completion zsh > "${fpath[1]}/_pyebpf"
    pyebpf completion fish > ~/.config/fish/completions/pyebpf.fish
"""
ARGUMENTS = Arguments("completion", _ABOUT, (), _EXAMPLES)

#: What is completed after an option, by what its help calls the argument. Nothing after others.
_KINDS = {
    "PATH": "file", "FILE": "file", "OBJECT": "file", "DIR": "dir", "PID": "pid", "PPID": "pid",
    "TPID": "pid", "USER": "user", "UID": "user", "DISK": "disk", "COMMAND …": "command",
}  # fmt: skip
_NONE = "none"


class Flags(NamedTuple):
    """An option: its spellings, what it takes (a kind; empty if nothing), one line of help."""

    names: tuple[str, ...]
    takes: str
    help: str


class Program(NamedTuple):
    """A tool or a command: its name, one line about it, its options, the kind of its words."""

    name: str
    summary: str
    options: tuple[Flags, ...]
    words: str


def run(argv: list[str]) -> int:
    """Run the command and return its exit code."""
    given = ARGUMENTS.read(argv)
    if "h" in given:
        output.write(ARGUMENTS.help())
        return 0
    if len(given.words) != 1 or given.words[0] not in _SHELLS:
        raise UsageError(f"say for which shell: {', '.join(_SHELLS)}")
    output.write(_SHELLS[given.words[0]](programs()))
    return 0


def programs() -> list[Program]:
    """Return all commands and tools; imports them all."""
    return [*_commands(), *_tools()]


def _commands() -> Iterator[Program]:
    for command in COMMANDS.values():
        module = command.module
        words = "shell" if command.name == "completion" else _NONE
        words = "file" if "PROGRAM" in command.usage or "FILE" in command.usage else words
        options = tuple(map(_flags, module.ARGUMENTS.options))
        yield Program(command.name, command.summary, options, words)


def _tools() -> Iterator[Program]:
    catalogue: Any = importlib.import_module("pyebpf.tools.__main__")
    for name, summary in catalogue.listed().items():
        tool: Any = importlib.import_module(f"pyebpf.tools.{name}").tool
        options = (o for o in tool.command_line().options if not o.is_positional)
        yield Program(name, summary, tuple(map(_flags, options)), _NONE)


def _flags(option: Option) -> Flags:
    metavar = option.metavar.strip("[]")
    return Flags(option.flags, _KINDS.get(metavar, _NONE) if metavar else "", option.help)


_BASH = r"""# bash completion of pyebpf, made by: pyebpf completion bash
_pyebpf() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
    local options= takes= words=none kind= pair i
    COMPREPLY=()
    if (( COMP_CWORD == 1 )); then
        COMPREPLY=($(compgen -W '@names' -- "$current"))
        return
    fi
    case ${COMP_WORDS[1]} in
@programs
        *) return ;;
    esac
    [[ $current == '=' ]] && current=
    [[ $before == '=' ]] && before=${COMP_WORDS[COMP_CWORD-2]}
    for pair in $takes; do
        [[ ${pair%:*} == "$before" ]] && kind=${pair#*:}
    done
    for (( i = 2; i < COMP_CWORD - 1; i++ )); do  # behind a command is what that takes
        [[ ${COMP_WORDS[i]} == --exec && " $takes " == *' --exec:'* ]] && kind=file
    done
    if [[ -z $kind && ( $current == -* || $words == none ) ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$current"))
        return
    fi
    [[ ${kind:-$words} == @(file|dir) ]] && compopt -o filenames 2>/dev/null
    case ${kind:-$words} in
        file) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
        dir) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
        command) mapfile -t COMPREPLY < <(compgen -c -- "$current" | sort -u) ;;
        pid) COMPREPLY=($(compgen -W "$(cd /proc && echo [0-9]*)" -- "$current")) ;;
        user) COMPREPLY=($(compgen -u -- "$current")) ;;
        disk) COMPREPLY=($(compgen -W "$(ls /sys/block)" -- "$current")) ;;
        shell) COMPREPLY=($(compgen -W 'bash zsh fish' -- "$current")) ;;
    esac
}
complete -F _pyebpf pyebpf
"""


def _bash(found: list[Program]) -> str:
    lines = []
    for each in found:
        options = " ".join(name for flags in each.options for name in flags.names)
        takes = " ".join(
            f"{name}:{flags.takes}" for flags in each.options if flags.takes for name in flags.names
        )
        lines.append(
            f"        {each.name}) options='{options}' takes='{takes}' words={each.words} ;;"
        )
    names = " ".join(each.name for each in found)
    return _BASH.replace("@names", names).replace("@programs", "\n".join(lines))


_ZSH = """#compdef pyebpf
# zsh completion of pyebpf, made by: pyebpf completion zsh
_pyebpf() {
    local -a names=(
@names
    )
    if (( CURRENT == 2 )); then
        _describe -t tools 'tool or command' names
        return
    fi
    local program=$words[2]
    shift words
    (( CURRENT-- ))
    case $program in
@programs
    esac
}
if [[ $funcstack[1] == _pyebpf ]]; then _pyebpf "$@"; else compdef _pyebpf pyebpf; fi
"""
_ZSH_KINDS = {
    "file": "_files", "dir": "_files -/", "pid": "_pids", "user": "_users",
    "shell": "(bash zsh fish)", "disk": "{compadd -- /sys/block/*(:t)}", _NONE: " ",
}  # fmt: skip


def _zsh(found: list[Program]) -> str:
    names = (f"        {_quoted(f'{_plain(each.name)}:{each.summary}')}" for each in found)
    cases = []
    for each in found:
        specs = [spec for flags in each.options for spec in _zsh_specs(flags)]
        specs += [] if each.words == _NONE else [_quoted(f"*:word:{_ZSH_KINDS[each.words]}")]
        cases.append(f"        {each.name}) _arguments -s : \\\n            {_joined(specs)} ;;")
    return _ZSH.replace("@names", "\n".join(names)).replace("@programs", "\n".join(cases))


def _joined(specs: Iterable[str]) -> str:
    return " \\\n            ".join(specs)


def _zsh_specs(flags: Flags) -> Iterator[str]:
    about = flags.help.replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    for name in flags.names:
        if flags.takes == "command":
            yield _quoted(f"{name}[{about}]:*::command:_normal")
            continue
        joint = ("=" if name.startswith("--") else "+") if flags.takes else ""
        takes = f":value:{_ZSH_KINDS[flags.takes]}" if flags.takes else ""
        yield _quoted(f"({' '.join(flags.names)}){name}{joint}[{about}]{takes}")


def _plain(name: str) -> str:
    return name.replace(":", "\\:")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


_FISH_KINDS = {
    "file": "-r -F", "dir": "-x -a '(__fish_complete_directories)'",
    "pid": "-x -a '(__fish_complete_pids)'", "user": "-x -a '(__fish_complete_users)'",
    "disk": "-x -a '(ls /sys/block)'", "command": "-x -a '(__fish_complete_subcommand)'",
    _NONE: "-x", "": "",
}  # fmt: skip


_FISH_WORDS = {"file": "-F", "shell": "-a 'bash zsh fish'"}


def _fish(found: list[Program]) -> str:
    lines = [
        "# fish completion of pyebpf, made by: pyebpf completion fish",
        "complete -c pyebpf -f",
    ]
    for each in found:
        about = _for_fish(each.summary)
        lines.append(f"complete -c pyebpf -n __fish_use_subcommand -a {each.name} -d {about}")
        begin = f"complete -c pyebpf -n '__fish_seen_subcommand_from {each.name}'"
        for flags in each.options:
            names = " ".join(
                f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
                for name in flags.names
            )
            words = [begin, names, _FISH_KINDS[flags.takes], "-d", _for_fish(flags.help)]
            lines.append(" ".join(filter(None, words)))
        if each.words != _NONE:
            lines.append(f"{begin} {_FISH_WORDS[each.words]}")
    return "\n".join([*lines, ""])


def _for_fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SHELLS: dict[str, Callable[[list[Program]], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
