import linecache

from pyebpf import *

CELL = "from pyebpf import *\n@raw_tracepoint('sys_enter')\ndef probe() -> None:\n    pass\n"
NAME = "<cell 4>"
exec(compile(CELL, NAME, "exec"))
changed = "# moved\n" + CELL
linecache.cache[NAME] = (len(changed), None, changed.splitlines(keepends=True), NAME)
