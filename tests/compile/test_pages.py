"""Every block of some pages of ``docs`` is a module that compiles."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.testing import target
from tests.kernel.running import cell

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(text, id=f"{page}-{number}")
    for page in ("from-bcc", "from-bpftrace", "hooks", "stacks")
    for number, text in enumerate(BLOCK.findall((DOCS / f"{page}.md").read_text()))
]


@pytest.mark.parametrize("text", BLOCKS)
def test_a_block_of_the_page_compiles(text: str) -> None:
    from pyebpf import compile_probes

    module = cell(text)
    probes = [value for value in vars(module).values() if isinstance(value, (Probe, Alternatives))]
    assert probes
    assert compile_probes(*probes, target=target()).programs
