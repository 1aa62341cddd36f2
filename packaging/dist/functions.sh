# What the scripts of deb and rpm have in common; packaging/dist/package puts it before each of them.

units="cri-shunt.socket cri-shunt.service cri-shunt-drift.timer cri-shunt-drift.service"

# What no package can hold, because it is empty.
directory=/etc/cri-shunt/conf.d

# Where systemd notes when the timer was due, if somebody has started it.
stamp=/var/lib/systemd/timers/stamp-cri-shunt-drift.timer

# After another version was installed. Only a daemon that runs is restarted: nothing is enabled or started. systemd keeps
# the socket, so calls wait and do not fail. $1 runs a unit's job.
restart_running() {
    [ -d /run/systemd/system ] || return 0
    systemctl daemon-reload || true
    systemctl --quiet is-active cri-shunt.service || return 0
    if problems=$(cri-shunt check 2>&1); then
        "$1" try-restart cri-shunt.service || echo "cri-shunt: the restart failed: journalctl -u cri-shunt" >&2
    else
        printf '%s\n' "$problems" >&2
        echo "cri-shunt: the version that was installed cannot use the configuration, so the daemon before it still runs." >&2
        echo "cri-shunt: correct it, and then: systemctl restart cri-shunt.service" >&2
    fi
}

# Before anything is done for a removal. A kubelet that is led to the daemon pulls nothing without it, and does not start again. If
# the program cannot tell, nothing is refused: a package that cannot be removed is worse.
refuse_if_needed() {
    status=0
    why=$(cri-shunt uninstall --check 2>&1) || status=$?
    [ "$status" -eq 1 ] || return 0
    printf '%s\n' "$why" | sed 's/^/cri-shunt: /' >&2
    [ "${CRI_SHUNT_REMOVE:-}" != anyway ] || return 0
    echo "cri-shunt: so it is not removed. If this node does not matter any more, set CRI_SHUNT_REMOVE=anyway." >&2
    return 1
}

# Before the program is removed. Pulls under way have five minutes to end. $1 runs a unit's job.
stop_and_tell() {
    if [ -d /run/systemd/system ]; then
        # shellcheck disable=SC2086 # several words
        "$1" stop $units || true
    fi
    # shellcheck disable=SC2086
    systemctl --quiet disable $units 2>/dev/null || true
    left=$(cri-shunt eject --dry-run 2>&1) || true
    if [ -n "$left" ]; then
        echo "cri-shunt: what a look at this node says (cri-shunt eject --dry-run):"
        printf '%s\n' "$left"
    fi
}
