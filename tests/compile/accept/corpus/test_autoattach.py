from pyebpf import *

first_called = Global[bool](False)
second_called = Global[bool](False)


@raw_tracepoint("sys_enter")
def first() -> None:
    first_called.value = True


@raw_tracepoint("sys_exit")
def second() -> None:
    second_called.value = True
