"""What BCC's tools of the same names have, for the table of tools.

Source:  BCC's ``tools/`` at commit 6d0a964c (2026-08-20): the lines of each script, and the flags
         that its help shows; of ``biostacks``, which has none, ``libbpf-tools/biostacks*``.
"""

from __future__ import annotations

from typing import NamedTuple


class Original(NamedTuple):
    """A tool of BCC.

    Attributes:
        lines: of its script.
        flags: each with its other spellings behind a slash.
    """

    lines: int
    flags: tuple[str, ...]


_TABLE = """
argdist       768 -p/--pid -t/--tid -z/--string-size -i/--interval -d/--duration -n/--number
                  -v/--verbose -c/--cumulative -T/--top -H/--histogram -C/--count -I/--include
bashreadline  97  -s/--shared
bindsnoop     536 -t/--timestamp -w/--wide -p/--pid -P/--port -E/--errors -U/--print-uid
                  -u/--uid --count --cgroupmap --mntnsmap
biolatency    425 -T/--timestamp -Q/--queued -m/--milliseconds -D/--disks -F/--flags
                  -e/--extension -j/--json -d/--disk
biopattern    147 -d/--disk
biosnoop      440 -Q/--queue -d/--disk -P/--pattern
biotop        364 -C/--noclear -r/--maxrows -p/--pid
biostacks     405 -d/--disk -m/--milliseconds -v/--verbose
bitesize      51
bpflist       87  -v/--verbosity
btrfsdist     239 -T/--notimestamp -m/--milliseconds -p/--pid
btrfsslower   351 -j/--csv -p/--pid -d/--duration
cachestat     230 -T/--timestamp
capable       302 -v/--verbose -p/--pid -K/--kernel-stack -U/--user-stack -x/--extra --cgroupmap
                  --mntnsmap --unique
cpudist       290 -O/--offcpu -T/--timestamp -m/--milliseconds -P/--pids -L/--tids -p/--pid
                  -I/--include-idle -e/--extension
execsnoop     363 -T/--time -t/--timestamp -x/--fails --cgroupmap --mntnsmap -u/--uid -q/--quote
                  -n/--name -l/--line -U/--print-uid -C/--print-cpu -M/--print-pcomm --max-args
                  -P/--ppid
exitsnoop     264 -t/--timestamp --utc -p/--pid --label -x/--failed --per-thread
ext4dist      236 -T/--notimestamp -m/--milliseconds -p/--pid
ext4slower    348 -j/--csv -p/--pid
fileslower    246 -p/--pid -a/--all-files
filetop       267 -a/--all-files -C/--noclear -r/--maxrows -s/--sort -p/--pid --read-only
                  --write-only -d/--directory
gethostlatency 133 -p/--pid
funccount     313 -p/--pid -i/--interval -d/--duration -T/--timestamp -r/--regexp -D/--debug
                  -c/--cpu
funclatency   413 -p/--pid -i/--interval -d/--duration -T/--timestamp -u/--microseconds
                  -m/--milliseconds -F/--function -r/--regexp -l/--level -v/--verbose
hardirqs      256 -T/--timestamp -N/--nanoseconds -C/--count -d/--dist -c/--cpu
killsnoop     177 -x/--failed -p/--pid -T/--tpid -s/--signal
memleak       609 -p/--pid -t/--trace -a/--show-allocs -o/--older -c/--command --combined-only
                  --wa-missing-free -s/--sample-rate -T/--top -z/--min-size -Z/--max-size -O/--obj
                  --percpu --sort --symbols-prefix
offcputime    389 -p/--pid -t/--tid -u/--user-threads-only -k/--kernel-threads-only
                  -U/--user-stacks-only -K/--kernel-stacks-only -d/--delimited -f/--folded
                  -s/--offset --stack-storage-size -m/--min-block-time -M/--max-block-time
                  --state
opensnoop     631 -T/--timestamp -U/--print-uid -x/--failed -p/--pid -t/--tid --cgroupmap
                  --mntnsmap -u/--uid -d/--duration -n/--name -e/--extended_fields
                  -f/--flag_filter -F/--full-path -b/--buffer-pages --exec
oomkill       86
profile       456 -p/--pid -L/--tid -U/--user-stacks-only -K/--kernel-stacks-only -F/--frequency
                  -c/--count -d/--delimited -a/--annotations -I/--include-idle -f/--folded
                  --hash-storage-size --stack-storage-size -C/--cpu --cgroupmap --mntnsmap
                  -A/--address
runqlat       323 -T/--timestamp -m/--milliseconds -P/--pids --pidnss -L/--tids -p/--pid
runqlen       263 -T/--timestamp -O/--runqocc -C/--cpus
runqslower    293 -P/--previous -p/--pid -t/--tid
slabratetop   248 -C/--noclear -r/--maxrows
softirqs      219 -T/--timestamp -N/--nanoseconds -C/--events -d/--dist -c/--cpu
sslsniff      451 -p/--pid -u/--uid -x/--extra -c/--comm -o/--no-openssl -g/--no-gnutls -n/--no-nss
                  -d/--debug --hexdump --max-buffer-size -l/--latency --handshake --extra-lib
stackcount    390 -p/--pid -c/--cpu -i/--interval -D/--duration -T/--timestamp -r/--regexp
                  -s/--offset -P/--perpid -K/--kernel-stacks-only -U/--user-stacks-only -v/--verbose
                  -d/--delimited -f/--folded --debug
statsnoop     247 -t/--timestamp -s/--sysname -x/--failed -p/--pid
syscount      332 -p/--pid -t/--tid -c/--ppid -i/--interval -d/--duration -T/--top -x/--failures
                  -e/--errno -L/--latency -m/--milliseconds -P/--process -l/--list --syscall
                  --exec
tcpaccept     297 -T/--time -t/--timestamp -p/--pid -P/--port -4/--ipv4 -6/--ipv6 --cgroupmap
                  --mntnsmap
tcpconnect    586 -t/--timestamp -p/--pid -P/--port -4/--ipv4 -6/--ipv6 -L/--lport
                  -U/--print-uid -u/--uid -c/--count --cgroupmap --mntnsmap -d/--dns
tcpdrop       403 -4/--ipv4 -6/--ipv6 --netns-id --pid-netns
tcplife       500 -T/--time -t/--timestamp -w/--wide -s/--csv -p/--pid -L/--localport
                  -D/--remoteport -4/--ipv4 -6/--ipv6
tcpretrans    415 -s/--sequence -l/--lossprobe -c/--count -4/--ipv4 -6/--ipv6
tcprtt        287 -i/--interval -d/--duration -T/--timestamp -m/--milliseconds -p/--lport -P/--rport
                  -a/--laddr -A/--raddr -b/--byladdr -B/--byraddr -e/--extension -D/--debug
                  -4/--ipv4 -6/--ipv6
tcpstates     419 -T/--time -t/--timestamp -w/--wide -s/--csv -L/--localport
                  -D/--remoteport -Y/--journal -4/--ipv4 -6/--ipv6
tcptop        367 -C/--noclear -S/--nosummary -p/--pid --cgroupmap --mntnsmap -4/--ipv4
                  -6/--ipv6
trace         920 -b/--buffer-pages -p/--pid -L/--tid --uid -v/--verbose -Z/--string-size
                  -S/--include-self -M/--max-events -t/--timestamp -u/--unix-timestamp -T/--time
                  -C/--print_cpu -c/--cgroup-path -n/--name -f/--msg-filter -B/--bin_cmp
                  -s/--sym_file_list -K/--kernel-stack -U/--user-stack -a/--address -I/--include
                  -A/--aggregate
vfscount      61
vfsstat       167 -p/--pid
wakeuptime    282 -u/--useronly -p/--pid -v/--verbose -f/--folded --stack-storage-size
                  -m/--min-block-time -M/--max-block-time
xfsdist       177 -T/--notimestamp -m/--milliseconds -p/--pid
xfsslower     326 -j/--csv -p/--pid
"""


def _rows() -> dict[str, Original]:
    found: dict[str, Original] = {}
    for line in _TABLE.replace("\n  ", " ").splitlines():
        if line:
            name, lines, *flags = line.split()
            found[name] = Original(int(lines), tuple(flags))
    return found


#: By name.
ORIGINALS = _rows()
