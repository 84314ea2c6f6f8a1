"""What a tool has imported when it begins to load: nothing that a warm start can spare."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.tool_pages import NEEDED

ROOT = Path(__file__).resolve().parents[2]
TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("[!_]*.py"))
#: What the frame of a tool needs of the standard library, with what these take along themselves.
ALLOWED = (
    "__future__, contextlib, contextvars, ctypes, errno, fcntl, functools, gc, "
    "importlib.util, mmap, os, pwd, re, runpy, signal, struct, types, typing, zlib"
)
#: What a tool needs besides.
OWN = {
    "argdist": "tokenize _tokenize linecache token",
    "bindsnoop": "socket _socket select selectors math array ipaddress",
    "funccount": "tokenize _tokenize linecache token",
    "funclatency": "tokenize _tokenize linecache token",
    "stackcount": "tokenize _tokenize linecache token",
    "tcpconnect": "weakref _weakrefset ipaddress",
    "trace": "tokenize _tokenize linecache token",
}
ADDRESSES = {
    name: "ipaddress" for name in TOOLS if name.startswith("tcp") or name in ("argdist", "trace")
}
#: They have tuples whose fields are annotated, or read text as Python.
COMPILES = (
    "argdist", "cachestat", "funccount", "funclatency", "sslsniff", "stackcount", "trace",
)  # fmt: skip
#: What tuples whose fields are annotated import since Python 3.14.
COMPILING = {"annotationlib", "ast", "_ast"} if sys.version_info >= (3, 14) else set()
#: What compiles, or reads what is compiled, or the kernel's types.
COMPILER = (
    "pyebpf.ir", "pyebpf.dsl.check", "pyebpf.dsl.lower", "pyebpf.dsl.compile", "pyebpf.dsl.source",
    "pyebpf.btf.parse", "pyebpf.runtime.elf", "pyebpf.runtime.maps", "pyebpf.doctor",
    "pyebpf.stubs", "pyebpf.hooks", "pyebpf.inspection", "pyebpf.recorder", "pyebpf.magics",
)  # fmt: skip
BEGIN = """
import builtins
import sys
sys.argv[0] = {argv0!r}
import {allowed}
before = {{*sys.modules}}
asked, compiled = [], []
def watch(event, args):
    if event == "open" and str(args[0]).startswith(("/sys/", "/proc/")):
        asked.append(str(args[0]))
    if event == "ctypes.call_function":
        asked.append(event)
def compiling(source, name, *rest, **named):
    if name == "<string>":
        compiled.append(source)
    return compile(source, name, *rest, **named)
sys.addaudithook(watch)
builtins.compile, compile = compiling, compile
import {module} as module
print("asked", *asked)
from pyebpf.dsl.collect import collect
from pyebpf.dsl.fingerprint import fingerprint
options = module.tool.command_line().parse({words!r}).consts
probes = module.tool.probes_for(options)
described = fingerprint(probes, collect(probes), options, 2)
print(described is not None, *{{*sys.modules}} - before)
print(compiled)
"""


def begun(name: str) -> tuple[str, bool, set[str]]:
    """Return what a tool asked of the kernel, whether it can be cached, and what it imported."""
    words = list(NEEDED.get(name, ()))
    code = BEGIN.format(argv0=name, allowed=ALLOWED, module=f"pyebpf.tools.{name}", words=words)
    done = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-c", code],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    asked, rest, compiled = done.stdout.splitlines()
    if name not in COMPILES:
        assert compiled == "[]", "`compile()` makes 119 classes when it is first called"
    kept, *modules = rest.split()
    return asked, kept == "True", set(modules)


@pytest.mark.parametrize("name", TOOLS)
def test_a_start_imports_nothing_needless(name: str) -> None:
    asked, can_be_kept, modules = begun(name)
    assert asked == "asked", "importing a tool touches no kernel"
    assert can_be_kept, f"{name} would be compiled at each start"
    ours = {module for module in modules if module.partition(".")[0] == "pyebpf"}
    others = modules - ours - {*OWN.get(name, "").split()} - {*ADDRESSES.get(name, "").split()}
    others -= COMPILING if name in COMPILES else set()
    assert sorted(others) == []
    assert sorted(module for module in ours if module.startswith(COMPILER)) == []
