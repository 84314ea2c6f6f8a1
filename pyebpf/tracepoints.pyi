# mypy: disable-error-code="import-not-found"
# pyright: reportMissingImports=false
from typing import Any

# What `pyebpf stubs` wrote, where a checker finds it; without it every name is Any.
from pyebpf_stubs.tracepoints import *

class TracepointType(type):
    tracepoint_name: str

def __getattr__(name: str) -> Any: ...
