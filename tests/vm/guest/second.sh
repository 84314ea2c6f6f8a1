# PID 1 of the machine, where this machine's files are: run the job, tell how it ended, end.
b=/run/busybox

fail() {
  echo "init: $*" >/dev/console
  echo b >/proc/sysrq-trigger
  $b sleep 60
}

$b mkdir -p /dev/pts
$b mount -t devpts devpts /dev/pts
$b mount -t tracefs tracefs /sys/kernel/tracing
$b mount -t debugfs debugfs /sys/kernel/debug
$b mount -t bpf bpf /sys/fs/bpf
$b mount -t cgroup2 cgroup2 /sys/fs/cgroup
$b mount -t securityfs securityfs /sys/kernel/security
$b ip link set lo up
# Nobody answers the kernel's events here: /dev/loop-control comes with its module.
$b modprobe -q loop
$b ln -sfn /proc/self/fd /dev/fd
$b ln -sfn fd/0 /dev/stdin
$b ln -sfn fd/1 /dev/stdout
$b ln -sfn fd/2 /dev/stderr

# The ports appear a moment after their driver.
tries=0
while [ $tries -lt 200 ]; do
  for port in /sys/class/virtio-ports/*; do
    [ -e "$port/name" ] && read -r name <"$port/name" || continue
    case $name in out | err | status) eval "$name=/dev/${port##*/}" ;; esac
  done
  [ -n "$out" ] && [ -n "$err" ] && [ -n "$status" ] && break
  tries=$((tries + 1))
  $b usleep 20000
done
[ -n "$status" ] || fail "no ports to talk to the host"

# Pipes between, for a job that opens /dev/stdout: a port can be opened once only.
$b mkfifo /run/out /run/err
$b cat </run/out >"$out" &
copy_out=$!
$b cat </run/err >"$err" &
copy_err=$!
/bin/sh /run/job/command </dev/null >/run/out 2>/run/err
code=$?
wait $copy_out $copy_err
echo "$code" >"$status"
$b sync
echo b >/proc/sysrq-trigger
$b sleep 60
