"""Probes in the kernel without being attached: they run when a test calls them, in its own process.

``BPF_PROG_TEST_RUN`` runs a raw tracepoint program on arguments that we choose, so nothing else on
the machine is seen or disturbed.
"""

from __future__ import annotations

import itertools
import linecache
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from pyebpf import Session, compile_probes
from pyebpf.attached import Links
from pyebpf.btf.system import kernel_btf
from pyebpf.dsl.collect import collect
from pyebpf.dsl.probes import Probe
from pyebpf.runtime.elf import parse_object
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.loader import load_object
from pyebpf.runtime.prog_call import prog_test_run
from pyebpf.runtime.resolver import CoreResolver
from pyebpf.spec.target import Target

_numbers = itertools.count(1)


@contextmanager
def loaded(
    *probes: Probe, target: Target | None = None, options: Mapping[Any, Any] | None = None
) -> Iterator[Session]:
    """Compile and load probes, and attach none."""
    compiled = compile_probes(*probes, target=target, options=options)
    obj = parse_object(compiled.object)
    resolver = CoreResolver(obj.btf, kernel_btf)
    opened = load_object(obj, features=KernelFeatures(), resolver=resolver)
    links = Links(KernelFeatures())
    with Session(opened, compiled, collect(probes), dict(options or {}), links) as session:
        yield session


def fire(session: Session, probe: Probe | str, *args: int) -> int:
    """Run a raw tracepoint probe once on 64-bit arguments; return its result."""
    name = probe if isinstance(probe, str) else probe.name
    words = [arg & (1 << 64) - 1 for arg in args] or [0]
    context = struct.pack(f"<{len(words)}Q", *words)
    return prog_test_run(session._loaded.programs[name].fd, ctx=context).retval


def cell(text: str, title: str = "", **names: Any) -> ModuleType:
    """Run a text as a notebook runs a cell: a module without a file, its source in linecache."""
    name = f"<{title or f'cell {next(_numbers)}'}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    module = ModuleType(f"cell_{next(_numbers)}")
    sys.modules[module.__name__] = module
    module.__dict__.update(names)
    try:
        exec(compile(text, name, "exec"), module.__dict__)
    finally:
        del sys.modules[module.__name__]
    return module
