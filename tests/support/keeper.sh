#!/bin/sh
# Ends what a test left, when its standard input closes: that happens on a tidy stop, on a panic and
# on a kill of the test process alike.
# $1: the folder that everything of it lives under; $1/pids lists the processes, one a line.
dir=$1
cat >/dev/null

line_of() {
    cat "/proc/$1/cmdline" 2>/dev/null | tr '\0' ' '
}

ours() {
    # Only what really has our folder in its command line: a process id may have been given anew.
    line_of "$1" | grep -qF "$dir"
}

while read -r pid; do
    if ours "$pid"; then kill -9 "$pid" 2>/dev/null; fi
done <"$dir/pids"

# Shims carry containerd's socket in their command line; what runs in their containers are their children.
for proc in /proc/[0-9]*; do
    pid=${proc#/proc/}
    case $(line_of "$pid") in
    *containerd-shim*"$dir"*)
        for child in $(cat "$proc/task/$pid/children" 2>/dev/null); do kill -9 "$child" 2>/dev/null; done
        kill -9 "$pid" 2>/dev/null
        ;;
    esac
done

tries=0
while [ $tries -lt 300 ]; do
    awk -v d="$dir/" 'index($2, d) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mount; do
        umount -l "$mount" 2>/dev/null
    done
    [ -n "${KEEP_TESTBED:-}" ] && exit 0
    rm -rf "$dir" 2>/dev/null
    [ -e "$dir" ] || exit 0
    tries=$((tries + 1))
    sleep 0.1
done
echo "keeper: $dir could not be removed" >&2
