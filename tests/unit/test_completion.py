"""What shells complete: in a real bash, and the syntax of the others where they are installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pyebpf.cli import completion
from pyebpf.cli.commands import COMMANDS
from tests.programs import run
from tests.unit.test_every_tool import TOOLS, flags_of

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    done = run("-m", "pyebpf.tools", "completion", "bash")
    assert (done.code, done.err) == (0, "")
    path = tmp_path_factory.mktemp("bash") / "pyebpf"
    path.write_text(done.out, encoding="utf-8")
    return path


def bash(script: Path, command: str) -> list[str]:
    done = subprocess.run(
        ["bash", "--norc", "-c", f'set -u; source "$0"; {command}', str(script)],
        capture_output=True,
        text=True,
        check=True,
        cwd=script.parent,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def completed(script: Path, *words: str) -> list[str]:
    """Return what bash offers for the last word."""
    line = " ".join(f"'{word}'" for word in ("pyebpf", *words))
    show = 'printf "%s\\n" ${COMPREPLY[@]+"${COMPREPLY[@]}"}'
    found = bash(script, f"COMP_WORDS=({line}); COMP_CWORD={len(words)}; _pyebpf; {show}")
    return [word for word in found if word]


def test_bash_asks_the_function(script: Path) -> None:
    assert bash(script, "complete -p pyebpf") == ["complete -F _pyebpf pyebpf"]


def test_names_of_tools_and_commands(script: Path) -> None:
    assert set(completed(script, "")) == {*TOOLS, *COMMANDS}
    assert completed(script, "biot") == ["biotop"]


def test_options_of_every_tool(script: Path) -> None:
    offered = bash(
        script,
        f"for tool in {' '.join(TOOLS)}; do COMP_WORDS=(pyebpf $tool -) COMP_CWORD=2; _pyebpf; "
        'echo "$tool ${COMPREPLY[*]}"; done',
    )
    for line in offered:
        name, *flags = line.split()
        assert set(flags) == {flag for flag in flags_of(name) if flag.startswith("-")}
    assert len(offered) == len(TOOLS)


def test_what_options_take(script: Path) -> None:
    assert completed(script, "opensnoop", "--ui") == ["--uid"]
    assert "root" in completed(script, "opensnoop", "-u", "ro")
    assert completed(script, "opensnoop", "--uid", "=", "roo") == ["root"]
    assert "1" in completed(script, "opensnoop", "--pid", "=")
    assert completed(script, "opensnoop", "--duration", "") == []
    assert completed(script, "opensnoop", "--btf", "pye") == ["pyebpf"]
    assert "bash" in completed(script, "opensnoop", "-x", "--exec", "bas")
    assert completed(script, "opensnoop", "--exec", "cat", "-n", "pye") == ["pyebpf"]
    assert {"-T", "--json"} <= set(completed(script, "opensnoop", "-x", ""))
    disks = {path.name for path in Path("/sys/block").glob("*")}
    assert set(completed(script, "biosnoop", "-d", "")) == disks


def test_words_of_commands(script: Path) -> None:
    assert completed(script, "completion", "") == ["bash", "zsh", "fish"]
    assert completed(script, "inspect", "pye") == ["pyebpf"]
    assert completed(script, "no-such-tool", "") == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_name_every_option_and_read_it(
    shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert completion.run([shell]) == 0
    text = capsys.readouterr().out
    for name in TOOLS:
        if shell == "zsh":
            about = text.partition(f"{name}) _arguments")[2].partition(";;")[0]
            offered = set(re.findall(r"\'(?:\([^)]*\))?(-[\w-]+)", about))
        else:
            about = " ".join(
                line for line in text.splitlines() if f"subcommand_from {name}'" in line
            )
            offered = {f"--{word}" for word in re.findall(r" -l ([\w-]+)", about)}
            offered |= {f"-{letter}" for letter in re.findall(r" -s (\w)", about)}
        assert offered == {flag for flag in flags_of(name) if flag.startswith("-")}, name
    if found := shutil.which(shell):
        script = tmp_path / "script"
        script.write_text(text, encoding="utf-8")
        subprocess.run([found, "-n", os.fspath(script)], check=True)


def test_there_are_three_shells() -> None:
    for words in ([], ["csh"], ["bash", "zsh"]):
        done = run("-m", "pyebpf", "completion", *words)
        assert done.code == 2
        assert "say for which shell: bash, zsh, fish" in done.err
