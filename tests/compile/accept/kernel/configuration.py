from pyebpf import *

out = Array[u64](max_entries=8)


@raw_tracepoint("sys_enter")
def probe() -> None:
    if kernel_config("CONFIG_SMP"):
        out[0] = 1_000 // kernel_config("CONFIG_HZ")
    if kernel_config("CONFIG_OF_TOMORROW"):
        out[1] = no_such_name
    if kernel_config("CONFIG_DEFAULT_HOSTNAME") == "(none)":
        out[2] = 1
