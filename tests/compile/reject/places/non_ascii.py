from pyebpf import *

grüße = Array[u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    print("größer als 日本語", grüße[0], missing)
