#!/bin/busybox sh
# PID 1 of the machine, in the first file system: reach the shared files, put a layer that can be
# written over them, go there. What it says on the console is shown when the machine fails.
b=/bin/busybox

fail() {
  echo "init: $*" >/dev/console
  echo b >/proc/sysrq-trigger
  $b sleep 60
}

share() {  # tag, directory, ro or rw
  $b mount -t 9p -o "trans=virtio,version=9p2000.L,msize=262144,cache=loose,$3" "$1" "$2" ||
    fail "cannot mount the share $1 at $2"
}

$b mkdir -p /dev /proc /sys /lower /layer /new
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
while read -r module; do
  $b insmod "/modules/$module" || fail "cannot load $module"
done </modules/order

. /job/settings  # MODULES, WRITABLE, NOW
$b date -s "@$NOW" >/dev/null

share root /lower ro
$b mount -t tmpfs -o size=80% tmpfs /layer
$b mkdir /layer/upper /layer/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work overlay /new ||
  fail "cannot mount the layer that can be written"
# A second lower layer would be refused: one directory inside the other.
$b mkdir -p /new/usr/lib/modules
$b mount --bind "/lower$MODULES" /new/usr/lib/modules || fail "no modules at $MODULES"
for directory in dev proc sys; do
  $b mkdir -p /new/$directory
  $b mount --move /$directory /new/$directory
done
for directory in run dev/shm; do
  $b mkdir -p /new/$directory
  $b mount -t tmpfs tmpfs /new/$directory
done
number=0
for directory in $WRITABLE; do
  $b mkdir -p "/new$directory"
  share "writable$number" "/new$directory" rw
  number=$((number + 1))
done
$b cp -r /job /second $b /new/run

# PID 1 itself changes its root, else the kernel would look for /sbin/modprobe in this one.
exec $b switch_root /new /run/busybox sh /run/second
