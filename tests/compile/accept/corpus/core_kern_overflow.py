from pyebpf import *
from pyebpf.kernel import no_such_function_type

there = Global[bool](True)


@raw_tracepoint("sys_enter")
def asked() -> None:
    there.value = has_type(no_such_function_type)
