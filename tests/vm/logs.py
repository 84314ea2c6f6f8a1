"""What the verifiers of the kernels say of wrong programs, kept as data of the unit tests."""

from __future__ import annotations

import re

from tests.vm import image, machine
from tests.vm.kernels import Row
from tests.vm.machine import Job
from tests.vm.userspace import PYTHON, ROOT

FOLDER = ROOT / "tests/data/verifier"


def keep(row: Row) -> int:
    """Run ``tests/kernel/keep_logs.py`` on a kernel; return its exit status."""
    kernel = image.get(row)
    series = re.match(r"\d+\.\d+", kernel.release)
    folder = FOLDER / (series[0] if series else row.name)
    folder.mkdir(parents=True, exist_ok=True)
    job = Job([PYTHON, "-m", "tests.kernel.keep_logs", str(folder)], ROOT, (folder,),
              environment={"PYTHONPATH": str(ROOT)})  # fmt: skip
    return machine.run(kernel, job).code
