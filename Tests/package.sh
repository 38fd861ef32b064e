#!/usr/bin/env bash
# The Debian package on a copy of this host: installed, run without a clang with
# the unit's capabilities, upgraded, removed, purged. The copy is an overlay in a
# mount namespace, with a network of its own: nothing of it stays.
set -euo pipefail

usage() { echo "usage: sudo Tests/package.sh PACKAGE.deb"; }

fail() {
    echo "error: $1" >&2
    if [[ -s ${log:-} ]]; then cat "$log" >&2; fi
    exit 1
}

# says TEXT COMMAND...: the command's output, of either kind, has the text.
says() {
    local text=$1 output
    shift
    output=$("$@" 2>&1) || true
    grep -F -- "$text" >/dev/null <<<"$output" || fail "'$*' does not say '$text': $output"
    echo "  ok: $* says '$text'"
}

is_gone() { [[ ! -e $1 && ! -L $1 ]] || fail "$1 is left"; }
has_program() { ip -d link show eth0 | grep prog/xdp >/dev/null; }

start_agent() {
    local capabilities
    capabilities=$(sed -n 's/^CapabilityBoundingSet=//p' /lib/systemd/system/l4lb.service | sed 's/CAP_/+/g; s/ /,/g')
    setpriv --bounding-set "-all,${capabilities,,}" --no-new-privs --regid l4lb --clear-groups \
        /usr/bin/l4lb agent --no-repl --config=/etc/l4lb/l4lb.yaml 2>>"$log" &
    agent=$!
    for _ in {1..200}; do
        ! l4lb mode get >/dev/null 2>&1 || return 0
        [[ -e /proc/$agent ]] || fail "the agent has ended"
        sleep 0.1
    done
    fail "the agent does not answer"
}

end_agent() {
    kill "$agent"
    wait "$agent" || fail "the agent ended with $?"
    has_program || fail "the packet path has ended with the agent"
}

# Inside of the copy.
play() {
    export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
    unset L4LB_CLANG
    log=/tmp/agent.log
    ip link set lo up
    ip link add eth0 type veth peer name peer
    ip address add 20.1.1.1/24 dev eth0
    ip link set peer up
    ip link set eth0 up
    rm -f /usr/bin/clang* /usr/bin/swift

    dpkg -i /tmp/package.deb
    says "l4lb " l4lb version
    if command -v systemd-analyze >/dev/null; then
        # It speaks of the host's other units too.
        ! systemd-analyze verify /lib/systemd/system/l4lb.service 2>&1 | grep l4lb || fail "systemd-analyze is not content"
    fi
    bash -n /usr/share/bash-completion/completions/l4lb
    says "service dumpstate" gzip -dc /usr/share/man/man8/l4lb-service.8.gz
    ! grep -Eqs '^[^#]*devices:' /etc/l4lb/l4lb.yaml || fail "the example would start an agent"
    sed -i 's/^# *agent:/agent:/; s/^#  *devices:/  devices:/' /etc/l4lb/l4lb.yaml

    start_agent
    says "compiled     packaged" l4lb status
    says "created service 1" l4lb service update --frontend=40.1.1.1:80 --backends=20.1.1.10:80
    says "mode is dsr now" l4lb mode update dsr
    says "created service 2" l4lb service update --frontend='[2001:db8::1]:80' --backends=20.1.1.10:80
    says "verdict" l4lb explain 20.1.1.9:1000 40.1.1.1:80
    end_agent
    dpkg -i /tmp/package.deb
    has_program || fail "an upgrade has ended the packet path"
    start_agent
    says "40.1.1.1:80/tcp" l4lb service list
    says "took over the packet path" cat "$log"
    end_agent
    says "--bpf-lb-maglev-table-size" l4lb agent --device=peer --bpf-lb-maglev-table-size=251

    dpkg -r l4lb
    ! has_program || fail "the removed package has left its program on eth0"
    is_gone /usr/bin/l4lb
    is_gone /sys/fs/bpf/l4lb
    [[ -e /etc/l4lb/l4lb.yaml && -e /var/lib/l4lb/state ]] || fail "what is the user's has gone before the purge"
    dpkg -P l4lb
    is_gone /etc/l4lb
    is_gone /var/lib/l4lb
}

# In a mount and network namespace of its own.
prepare() {
    local scratch=$1 package=$2 root=$1/root left
    mount -t tmpfs -o mode=0755 tmpfs "$scratch"
    mkdir "$scratch"/{upper,work,root}
    mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs sysfs "$root/sys"
    mount -t bpf bpf "$root/sys/fs/bpf"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/run"
    mount -t tmpfs tmpfs "$root/tmp"
    cp "$package" "$root/tmp/package.deb"
    cp "${BASH_SOURCE[0]}" "$root/tmp/package.sh"
    chroot "$root" bash /tmp/package.sh --play
    # Whiteouts are character devices; man's cache is its own.
    left=$(find "$scratch/upper" -name '*l4lb*' ! -type c ! -path '*/var/cache/man/*')
    [[ -z $left ]] || fail "the purged package has left $left"
    echo "nothing is left"
}

main() {
    case ${1:-} in
        --play) play ;;
        --prepare) prepare "$2" "$3" ;;
        *.deb)
            [[ $EUID == 0 ]] || fail "namespaces need root: run with sudo"
            local scratch package status=0
            package=$(readlink -f "$1")
            scratch=$(mktemp -d)
            # The namespace's end takes all mounts away, its processes' end the agent.
            unshare --mount --net --pid --fork --kill-child bash "${BASH_SOURCE[0]}" --prepare "$scratch" "$package" ||
                status=$?
            rmdir "$scratch"
            return "$status"
            ;;
        *) usage >&2 && exit 2 ;;
    esac
}

main "$@"
