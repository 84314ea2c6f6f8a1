"""The frame of a tool, around a session that only pretends."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyebpf import Const
from pyebpf.cli import Tool, commands, main, output, run
from pyebpf.cli import tool as framed
from pyebpf.errors import AttachError, CompileError
from pyebpf.present.listing import listing
from pyebpf.runtime import elf
from tests import arm64

ROOT = Path(__file__).resolve().parents[2]


class Pretended:
    """A session whose probes count how often they are asked."""

    def __init__(self, options: dict[Any, Any], lost: dict[str, int]) -> None:
        self.compiled = types.SimpleNamespace(prints=(), programs=[])
        self.options, self.asked, self.detached, self._lost = options, 0, False, lost

    def detach(self) -> None:
        self.detached = True

    def lost(self) -> dict[str, int]:
        return self._lost

    def sleep(self, seconds: float) -> None:
        assert seconds > 0


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[Pretended]:
    made: list[Pretended] = []

    @contextmanager
    def load(*_: object, options: dict[Any, Any]) -> Iterator[Pretended]:
        made.append(Pretended(options, {"started": 3}))
        yield made[-1]

    monkeypatch.setattr(framed, "load", load)
    return made


def make_tool(**words: Any) -> Tool[Any]:
    module = types.ModuleType("counted")
    module.__doc__ = "Count things.\n\nAll of them."
    module.quick = Const(False, "-q", "--quick")  # type: ignore[attr-defined]
    module.slow = Const(False, "-s", "--slow")  # type: ignore[attr-defined]
    module.listed = Const(False, "--list")  # type: ignore[attr-defined]
    sys.modules["counted"] = module
    words = {
        "report": count,
        "exclusive": [(module.quick, module.slow)],  # type: ignore[attr-defined]
        "instead": {module.listed: lambda: "so it is\n"},  # type: ignore[attr-defined]
        **words,
    }
    return Tool("counted", **{"probes": [], **words})


def count(session: Any) -> dict[str, int]:
    session.asked += 1
    return {"asked": session.asked}


def test_count_ends_it(sessions: list[Pretended], capsys: pytest.CaptureFixture[str]) -> None:
    tool = make_tool(header="Counting.")
    assert tool.main(["0.01", "3"]) == 0
    out, err = capsys.readouterr()
    assert out == "Counting.\n\n{'asked': 1}\n\n{'asked': 2}\n\n{'asked': 3}\n"
    assert err.count("map 'started' was full: 3 updates were refused") == 1
    assert sessions[0].detached


def test_duration_ends_it(sessions: list[Pretended], capsys: pytest.CaptureFixture[str]) -> None:
    assert make_tool().main(["--duration", "0.01"]) == 0
    assert capsys.readouterr().out == "\n{'asked': 1}\n"
    assert make_tool().main(["100", "--duration", "0.01"]) == 0
    assert sessions[1].asked == 1


def test_a_header_made_of_the_session(
    sessions: list[Pretended], capsys: pytest.CaptureFixture[str]
) -> None:
    tool = make_tool(header=lambda session: f"Asked {session.asked} times.", single=True)
    assert tool.main(["0.01"]) == 0
    assert capsys.readouterr().out == "Asked 0 times.\n\n{'asked': 1}\n"


def test_something_is_done_meanwhile(sessions: list[Pretended]) -> None:
    seen = []
    assert make_tool(meanwhile=seen.append, single=True).main(["0.5"]) == 0
    assert 2 <= len(seen) <= 4  # at the begin, about every 0.2 seconds, and at the end
    assert seen[0] is sessions[0]


def test_timestamps(sessions: list[Pretended], capsys: pytest.CaptureFixture[str]) -> None:
    make_tool(header="Counting.").main(["-T", "0.01", "1"])
    assert re.fullmatch(r"Counting\.\n\n\d\d:\d\d:\d\d\n\{'asked': 1\}\n", capsys.readouterr().out)


def test_json_is_one_object_per_line(
    sessions: list[Pretended], capsys: pytest.CaptureFixture[str]
) -> None:
    make_tool(header="Counting.").main(["-j", "0.01", "2"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["asked"] for row in rows] == [1, 2]
    assert all("ts" in row for row in rows)


def test_show_makes_the_text(sessions: list[Pretended], capsys: pytest.CaptureFixture[str]) -> None:
    make_tool(show=lambda _, result: f"{result['asked']}!").main(["0.01", "1"])
    assert capsys.readouterr().out == "\n1!\n"


def test_options_reach_the_session(sessions: list[Pretended]) -> None:
    tool = make_tool()
    quick = sys.modules["counted"].quick
    tool.main(["-q", "0.01", "1"])
    assert sessions[0].options == {quick: True}
    with pytest.warns(RuntimeWarning, match="map 'started' was full"):
        assert tool.run(0.01, quick=True) == {"asked": 1}
    assert sessions[1].options == {quick: True}
    assert sessions[1].detached


def test_probes_may_depend_on_options(
    sessions: list[Pretended], capsys: pytest.CaptureFixture[str]
) -> None:
    """What does not fit is said as of any command line; ``--help`` asks for none."""
    quick_only = "without -q there is nothing to load"

    def probes(options: Any) -> list[Any]:
        if not options.option(sys.modules["counted"].quick):
            raise ValueError(quick_only)
        return []

    tool = make_tool(probes=probes)
    assert tool.main(["-q", "0.01", "1"]) == 0
    assert (tool.probes, len(sessions)) == ((), 1)
    capsys.readouterr()
    assert tool.main(["0.01", "1"]) == 2
    out, err = capsys.readouterr()
    usage = "usage: counted [options] [interval [count]]\ntry counted --help\n"
    assert (out, err) == ("", f"counted: {quick_only}\n{usage}")
    assert tool.main(["--help"]) == 0
    with pytest.raises(ValueError, match=quick_only):
        tool.run(1)
    assert len(sessions) == 1


def test_wrong_options_of_run(sessions: list[Pretended]) -> None:
    with pytest.raises(TypeError, match="counted has no option 'pid'; it has quick, slow, list"):
        make_tool().run(1, pid=3)
    with pytest.raises(TypeError, match="can only use -q or -s"):
        make_tool().run(1, quick=True, slow=True)
    with pytest.raises(TypeError, match="no result to return"):
        make_tool(report=None).run(1)
    assert sessions == []


def test_a_tool_without_probes_looks_once(capsys: pytest.CaptureFixture[str]) -> None:
    def look(options: Any) -> dict[str, bool]:
        return {"quick": options.option(sys.modules["counted"].quick)}

    tool = make_tool(probes=None, report=look)
    assert tool.main(["-q"]) == 0
    assert capsys.readouterr().out == "{'quick': True}\n"
    assert tool.main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out)["quick"] is False
    assert tool.run(quick=True) == {"quick": True}


def test_an_option_that_prints_instead(
    sessions: list[Pretended], capsys: pytest.CaptureFixture[str]
) -> None:
    tool = make_tool()
    assert tool.main(["--list"]) == 0
    assert (capsys.readouterr().out, sessions) == ("so it is\n", [])
    assert tool.main(["-q", "0.01", "1"]) == 0
    assert len(sessions) == 1


def test_exclusive_options(sessions: list[Pretended], capsys: pytest.CaptureFixture[str]) -> None:
    assert make_tool().main(["-qs"]) == 2
    assert "counted: can only use -q or -s\nusage: counted" in capsys.readouterr().err
    assert sessions == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (AttachError("there is no hook 'x'"), "counted: there is no hook 'x'\n"),
        (CompileError("error[E0401]: …"), "do not fit this kernel\nerror[E0401]: …\n"),
        (OSError(2, "No such file or directory", "/x"), "counted: /x: No such file or directory\n"),
    ],
)
def test_failures_are_one_message(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    said: str,
) -> None:
    def load(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(framed, "load", load)
    assert make_tool().main([]) == 1
    assert capsys.readouterr().err.endswith(said)


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    tool = make_tool(examples="counted 1 2  # twice")
    assert tool.main(["--help"]) == 0
    text = capsys.readouterr().out
    order = [
        "usage: counted",
        "Count things.",
        "All of them.",
        "interval  ",
        "-q, --quick",
        "counted 1",
    ]
    assert [text.index(word) for word in order] == sorted(text.index(word) for word in order)
    assert tool.main(["--version"]) == 0
    assert re.fullmatch(r"counted \(pyebpf \d.*\)\n", capsys.readouterr().out)


def test_follow_has_the_session_until_it_returns_or_is_interrupted(
    sessions: list[Pretended], capsys: pytest.CaptureFixture[str]
) -> None:
    def follow(session: Any) -> None:
        print("followed", len(session.options))
        if session.options:
            raise KeyboardInterrupt

    tool = make_tool(report=None, follow=follow, header="Head")
    assert tool.main([]) == tool.main(["-q"]) == 0
    out, err = capsys.readouterr()
    assert out == "Head\nfollowed 0\nHead\nfollowed 1\n"
    assert err.count("map 'started' was full: 3 updates") == 2
    assert [session.detached for session in sessions] == [True, True]


def test_follow_ends_when_nobody_reads(sessions: list[Pretended]) -> None:
    code = """
import sys
from tests.unit.test_cli import Pretended, framed, make_tool
from contextlib import nullcontext
framed.load = lambda *_, options: nullcontext(Pretended(options, {}))
def follow(session):
    while True:
        print("x" * 1000)
sys.exit(make_tool(report=None, follow=follow).main([]))
"""
    done = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=-1, stderr=-1)
    assert done.stdout is not None
    assert done.stdout.readline() == b"x" * 1000 + b"\n"
    done.stdout.close()
    assert done.wait() == 141
    assert done.stderr is not None
    assert done.stderr.read() == b""
    done.stderr.close()


def test_run_makes_a_program_of_the_module_that_calls_it(
    sessions: list[Pretended], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tool()  # the module
    module = sys.modules["counted"]
    vars(module).update(run=run, count=count)
    monkeypatch.setattr(sys, "argv", ["counted", "-q", "1", "1"])
    with pytest.raises(SystemExit) as ended:
        exec("run(report=count, header='Head')", vars(module))
    assert ended.value.code == 0
    assert capsys.readouterr().out == "Head\n\n{'asked': 1}\n"
    assert sessions[0].options == {vars(module)["quick"]: True}


def test_the_front_door(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("pyebpf ")
    assert main([]) == 0
    assert "usage: pyebpf TOOL" in capsys.readouterr().out
    assert main(["tools"]) == 0
    assert re.search(
        r"^biolatency +Summarise block device I/O", capsys.readouterr().out, re.MULTILINE
    )
    assert main(["biolatency", "--version"]) == 0
    assert capsys.readouterr().out.startswith("biolatency ")


@pytest.mark.parametrize("name", ["no_such_tool", "__init__", "os.path", "-x"])
def test_the_front_door_refuses(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == 2
    assert "usage: pyebpf TOOL" in capsys.readouterr().err


COMMANDS = sorted(commands.COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_helps(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for flag in ("-h", "--help"):
        assert main([name, flag]) == 0
        out, err = capsys.readouterr()
        assert (out.startswith(f"usage: pyebpf {name}"), err) == (True, "")


@pytest.mark.parametrize("name", COMMANDS)
def test_ctrl_c_is_quiet(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(output, "write", interrupted)
    assert main([name, "--help"]) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_refuses_what_it_does_not_know(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--no-such-option"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"pyebpf: option --no-such-option not recognized\n{commands.usage(name)}\n"
        f"try pyebpf {name} --help\n"
    )


def test_every_command_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    listed = capsys.readouterr().out.partition("\ncommands:\n")[2].partition("\n\n")[0]
    names = [row.name for row in commands.COMMANDS.values()]
    assert re.findall(r"^  (\w+)", listed, re.MULTILINE) == names
    assert len(listed.splitlines()) == len(names)  # none needs two


def test_every_command_is_on_the_page() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"\n| `pyebpf {name}" not in page] == []


@pytest.mark.parametrize("argv", [[], ["x.py"], ["x.py", "y.py", "-o", "z.o"], ["x.py", "-o", ""]])
def test_compile_wants_a_program_and_an_object(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compile", *argv]) == 2
    assert "\nusage: pyebpf compile" in capsys.readouterr().err


def test_compile_for_another_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    types, file, made = (tmp_path / name for name in ("arm64.btf", "probe.py", "probe.o"))
    types.write_bytes(gzip.decompress(arm64.BTF_FILE.read_bytes()))
    file.write_text(
        "from pyebpf import KprobeContext, Array, u64, kprobe\n"
        "cells = Array[u64](max_entries=4)\n"
        '@kprobe("vfs_read")\ndef reads(ctx: KprobeContext, file: u64) -> None:\n'
        "    cells[0] = file\n"
    )
    words = ["compile", str(file), "-o", str(made), "--target", str(types)]
    assert main(words) == 0
    assert capsys.readouterr().out == f"{made}: reads\n"
    elsewhere = made.read_bytes()
    # Where the first argument is: x0 of arm64 is at 0, rdi of x86-64 at 112.
    text = listing(elf.parse_object(elsewhere))
    assert ("(r1 +0)" in text, "(r1 +112)" in text) == (True, False)
    assert main([*words, "--arch", "x86_64"]) == 1
    assert "x86_64" in capsys.readouterr().err
    assert main([*words[:4], "--arch", "aarch64"]) == 2
    assert "--arch says of which machine the kernel of --target is" in capsys.readouterr().err


def test_compile_refuses_a_file_without_probes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "empty.py"
    file.write_text("x = 1\n")
    assert main(["compile", str(file), "-o", str(tmp_path / "x.o")]) == 1
    assert "no probe in it" in capsys.readouterr().err
    assert main(["compile", str(tmp_path / "absent.py"), "-o", "x.o"]) == 1
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["tools", "doctor", "list", "inspect"])
def test_commands_that_compile_nothing_import_no_compiler(name: str) -> None:
    code = (
        f"import sys, pyebpf.cli.{name};"
        "print(sorted({'numpy', 'llvmlite', 'argparse', 'asyncio'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"


def test_what_reads_a_stream_leaves_asyncio_to_those_who_use_it() -> None:
    code = "import sys, pyebpf.runtime.stream; print('asyncio' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout == "False\n"


def test_importing_a_tool_loads_nothing_slow() -> None:
    code = (
        "import sys, pyebpf.tools.biolatency;"
        "slow = {'numpy', 'llvmlite', 'argparse', 'ast', 'inspect', 'difflib', 'asyncio'};"
        "print(sorted(slow & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "[]\n"
