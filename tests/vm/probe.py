"""Ask the running kernel what it can do: ``python -m tests.vm.probe FILE``, run on each kernel."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.runtime import feature_table
from pyebpf.runtime.features import KernelFeatures

#: Of the features, those that the page has a line for: of helpers there are too many.
FEATURES = [name for name in feature_table.names() if not name.startswith(("prog:", "helper:"))]


def ask() -> dict[str, tuple[str, str]]:
    """Return answer and reason for each kind of program and map, and each feature."""
    kernel = KernelFeatures(keep=False)
    answers = {}
    for name in [*(f"prog:{kind}" for kind in PROGRAM_KINDS), *FEATURES]:
        answer = kernel.support(name)
        answers[name] = (answer.support.value, answer.reason)
    return answers


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(ask()), encoding="utf-8")
