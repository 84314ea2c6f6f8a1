# mypy: disable-error-code="import-not-found"
# pyright: reportMissingImports=false
# What `pyebpf stubs` wrote, where a checker finds it; without it every name is a Kfunc.
from pyebpf_stubs.kfuncs import *

from pyebpf.dsl.symbols import Kfunc

def __getattr__(name: str) -> Kfunc: ...
