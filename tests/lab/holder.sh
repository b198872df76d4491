#!/bin/bash
# holder.sh SHARE PATH...: become pid 1 of a throw-away machine. Its namespaces are unshared already.
#
# The root is an overlay over this machine's own, so that everything installed here is there, and whatever is changed
# there goes with it. SHARE is seen as /lab, and each PATH at its own place, read-only (it may be on another disk).
# With INIT set, that becomes pid 1 (systemd), and has a tree of cgroups of its own.
set -e
SHARE=$1
shift
mount --make-rprivate /
B=/mnt
mount -t tmpfs tmpfs $B
mkdir $B/upper $B/work $B/root
mount -t overlay overlay -o lowerdir=/,upperdir=$B/upper,workdir=$B/work $B/root
R=$B/root
mkdir -p $R/.old $R/lab $R/etc/docker $R/var/lib/docker $R/var/lib/containerd
mount -t proc proc $R/proc
# a sysfs of the new network namespace, with the cgroups of the old one, which dockerd needs
mount -t sysfs sysfs $R/sys
if [ -n "${INIT:-}" ]; then mount -t cgroup2 cgroup2 $R/sys/fs/cgroup; else mount --rbind /sys/fs/cgroup $R/sys/fs/cgroup; fi
mount --rbind /dev $R/dev
# docker's overlays do not sit on ours; and nothing that is mounted or running outside is seen inside
for d in run tmp var/lib/docker var/lib/containerd etc/docker; do mount -t tmpfs tmpfs $R/$d; done
chmod 1777 $R/tmp
mkdir -p $R/run/lock
mount --bind "$SHARE" $R/lab
for p; do
  mkdir -p "$R$p"
  mount --bind "$p" "$R$p"
  mount -o remount,bind,ro "$R$p"
done
# ufw as it is when just installed, whatever it was told on this machine
if [ -d $R/usr/share/ufw/iptables ]; then
  chmod -x $R/etc/ufw/*.init
  cp $R/usr/share/ufw/iptables/*.rules $R/usr/share/ufw/ufw.conf $R/etc/ufw/
  chmod 640 $R/etc/ufw/*.rules
  sed -i -e 's/^IPV6=.*/IPV6=yes/; s/^DEFAULT_INPUT_POLICY=.*/DEFAULT_INPUT_POLICY="DROP"/' \
    -e 's/^DEFAULT_OUTPUT_POLICY=.*/DEFAULT_OUTPUT_POLICY="ACCEPT"/; s/^MANAGE_BUILTINS=.*/MANAGE_BUILTINS=no/' \
    -e 's/^DEFAULT_FORWARD_POLICY=.*/DEFAULT_FORWARD_POLICY="DROP"/' $R/etc/default/ufw
fi
cd $R
pivot_root . .old
umount -l /.old
hostname fwlab
ip link set lo up
if [ -n "${INIT:-}" ]; then exec $INIT; fi
trap '' CHLD # nobody waits for orphans here: the kernel shall bury them itself
exec sleep infinity
