"""Every block of some pages is a module that compiles."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.testing import target
from tests.kernel.running import cell

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md", "docs/from-bcc.md", "docs/from-bpftrace.md", "docs/hooks.md", "docs/stacks.md",
)  # fmt: skip
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(text, id=f"{page}-{number}")
    for page in PAGES
    for number, text in enumerate(BLOCK.findall((ROOT / page).read_text(encoding="utf-8")))
]


@pytest.mark.parametrize("text", BLOCKS)
def test_a_block_of_the_page_compiles(text: str) -> None:
    from pyebpf import compile_probes

    # What follows the declarations is for root, and lasts.
    module = cell(text.partition("\nwith load(")[0])
    probes = [value for value in vars(module).values() if isinstance(value, (Probe, Alternatives))]
    assert probes
    assert compile_probes(*probes, target=target()).programs
