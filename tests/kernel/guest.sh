# The guest's first process after its root is there: set-up, then the command in ./command, whose exit status it leaves
# in ./status. /tmp is the host's, below the overlay, because checkouts live there; what is temporary here goes to /run.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
export TMPDIR=/run/tmp OUT=/run/job/out POINTSMAN_KERNEL_MACHINE=1
. /run/job/settings
export TERM
mkdir -p /dev/pts /dev/shm /run/lock /run/netns /run/wireguard $TMPDIR /lib/modules
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount --bind "$modules" /lib/modules
echo kernel-machine >/proc/sys/kernel/hostname
echo 0 >/proc/sys/kernel/printk_ratelimit
[ -e /dev/net/tun ] || { mkdir -p /dev/net; mknod /dev/net/tun c 10 200; }
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
ip link set lo up
if [ "$shell" = yes ]; then
    setsid -cw sh /run/job/command <>/dev/ttyS0 >&0 2>&1
else
    stty -onlcr </dev/ttyS0
    sh /run/job/command </dev/null
fi
echo $? >/run/job/status
exec busybox poweroff -f
