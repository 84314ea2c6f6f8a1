import linecache

from pyebpf import *

CELL = '''
from pyebpf import *

@raw_tracepoint("sys_enter")
def probe() -> None:
    print(missing)
'''
NAME = "<cell 3>"
linecache.cache[NAME] = (len(CELL), None, CELL.splitlines(keepends=True), NAME)
exec(compile(CELL, NAME, "exec"))
