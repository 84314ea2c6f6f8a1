from pyebpf import Ptr, iter
from pyebpf.kernel import bpf_iter_meta, task_struct


@iter("task")
def visit(meta: Ptr[bpf_iter_meta], task: Ptr[task_struct]) -> None:
    pass
