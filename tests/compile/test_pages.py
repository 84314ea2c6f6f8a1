"""Every block of some pages compiles, and what reads it runs, on maps in memory."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import pytest

import pyebpf
from pyebpf import compile_probes, testing
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives
from tests.kernel.running import cell
from tests.pages import blocks

PAGES = (
    "README.md", "docs/from-bcc.md", "docs/from-bpftrace.md", "docs/hooks.md", "docs/stacks.md",
)  # fmt: skip


class Loaded:
    """Stands for a session: its maps are in memory, and nothing happens in it.

    What is asked of it must be something that a session has, with arguments that this takes.
    """

    def __init__(self, *probes: Any, options: Mapping[Any, Any] | None = None) -> None:
        assert compile_probes(*probes, target=testing.target(), options=options).programs
        self._simulation = testing.run(*probes, options=options)

    def __enter__(self) -> Loaded:
        return self

    def __exit__(self, *_: object) -> None:
        self._simulation.__exit__(None, None, None)

    def __getitem__(self, declared: Any) -> Any:
        return self._simulation[declared]

    def __getattr__(self, name: str) -> Any:
        method = getattr(pyebpf.Session, name)

        def called(*given: Any, **named: Any) -> None:
            inspect.signature(method).bind(self, *given, **named)

        return called


def programs() -> list[Any]:
    """Return the pages' blocks; one that only loads belongs to that above it."""
    found: list[Any] = []
    for page in PAGES:
        texts: list[tuple[str, str]] = []
        for block in blocks(page, "python"):
            if block.text.startswith("with load("):
                texts[-1] = (texts[-1][0], f"{texts[-1][1]}\n{block.text}")
            else:
                texts.append((str(block), block.text))
        found += [pytest.param(text, id=name) for name, text in texts]
    return found


@pytest.mark.parametrize("text", programs())
def test_a_block_of_the_page_compiles_and_runs(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pyebpf, "load", Loaded)
    monkeypatch.setattr("pyebpf.cli.run", lambda *probes, **_: Loaded(*probes))
    module = cell(text, load=Loaded, packet=bytes(64))
    probes = [value for value in vars(module).values() if isinstance(value, (Probe, Alternatives))]
    assert bool(probes) == ("\n@" in text)
    assert not probes or compile_probes(*probes, target=testing.target()).programs
    if hasattr(module, "main"):
        module.main()
    assert capsys.readouterr().err == ""
