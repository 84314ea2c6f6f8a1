from pyebpf import *


class Tool:
    limit = 3

    @raw_tracepoint("sys_enter")
    def probe() -> None:
        print(Tool.limitt)


probe = Tool.probe
