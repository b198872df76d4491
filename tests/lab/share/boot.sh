#!/bin/bash
# Become systemd, as pid 1 of a throw-away machine (booted.py). Nothing is started that would reach for the hardware, or
# for what the kernel shares with the machine outside (modules, settings, formats of programs); Docker, ufw and cron are
# there, and started by whoever wants them.
cd /etc/systemd/system || exit
rm -rf ./*.wants ./fwaudit* /etc/cron.d/fwaudit* /var/lib/fwaudit /etc/fwaudit
mkdir -p /run/systemd/system # of these, none is kept on the disk
for unit in systemd-{udevd,udev-trigger,modules-load,sysctl,binfmt,networkd,logind,timesyncd,remount-fs,update-utmp,firstboot}.service \
  systemd-udevd-{control,kernel}.socket kmod-static-nodes.service proc-sys-fs-binfmt_misc.automount getty.target \
  {sys-kernel-debug,sys-kernel-tracing,sys-fs-fuse-connections,dev-hugepages,dev-mqueue,tmp}.mount networking.service; do
  ln -sf /dev/null /run/systemd/system/$unit
done
umount /var/lib/docker /var/lib/containerd && mount -t tmpfs tmpfs /var/lib/docker && mount -t tmpfs tmpfs /var/lib/containerd
export container=lab
exec /lib/systemd/systemd --system --unit=basic.target --show-status=0 --log-target=null
