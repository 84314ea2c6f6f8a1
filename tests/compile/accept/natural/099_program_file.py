"""The file that a process runs, and the directory that holds it."""

from pyebpf import Array, Char, chars, current_task, raw_tracepoint, record


@record
class File:
    name: Char = chars(32)
    directory: Char = chars(32)


files = Array[File](max_entries=1)


@raw_tracepoint("sys_enter")
def probe() -> None:
    mm = current_task().mm
    if mm is None:
        return
    dentry = mm.exe_file.f_path.dentry
    files[0] = File(name=dentry.d_name.name, directory=dentry.d_parent.d_name.name)
