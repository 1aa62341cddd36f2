# Starts systemd as the first process of a machine of its own: everything of this one is there to be read, and what is
# written goes into memory. $1 is a directory with files to be laid over it; $2, where it is given, one with files that this machine
# seems to have. There is no network but the loopback.
set -eu
top=/mnt
mount --make-rprivate /
mount -t tmpfs tmpfs "$top"
mkdir "$top/upper" "$top/work" "$top/root"
cp -a "$1/." "$top/upper/"
# A layer must not be inside of another one.
if [ -n "${2:-}" ]; then cp -a "$2" "$top/lower"; fi
mount -t overlay overlay -o "lowerdir=${2:+$top/lower:}/,upperdir=$top/upper,workdir=$top/work" "$top/root"
cd "$top/root"
# Nothing of a cri-shunt that is installed on this machine: only what the test gives of it.
for path in etc/cri-shunt opt/cri-shunt var/lib/cri-shunt* var/log/cri-shunt usr/bin/cri-shunt usr/local/bin/cri-shunt \
    etc/systemd/system/cri-shunt* etc/systemd/system/*.wants/cri-shunt* usr/lib/systemd/system/cri-shunt*; do
    rm -rf "$path"
    if [ -e "$1/$path" ] || [ -L "$1/$path" ]; then cp -a "$1/$path" "$path"; fi
done
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs tmpfs sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs dev
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/tty c 5 0
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ip link set lo up
# So that systemd leaves the hardware alone.
export container=lxc
# A mount namespace that systemd gives a unit begins at the root of this one.
pivot_root . mnt
umount -l /mnt
# What a unit mounts for itself, its credentials for one, comes from a process of its own.
mount --make-rshared /
exec /usr/lib/systemd/systemd --system --unit=basic.target --log-target=journal
