from pyebpf import *

exec('''
@raw_tracepoint("sys_enter")
def probe() -> None:
    print(1)
''')
