from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
	if tgid():
		print("a	tab",	missing)
