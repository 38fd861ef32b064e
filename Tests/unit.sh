#!/usr/bin/env bash
# The Debian package under a real systemd, among the demo's hosts: its unit is started, reloaded, killed, restarted,
# hung, stopped, upgraded, rebooted and removed, while clients ask. Nothing of it stays.
set -euo pipefail

usage() { echo "usage: sudo Tests/unit.sh PACKAGE.deb"; }

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
PREFIX=unit
# shellcheck source-path=SCRIPTDIR source=../demo/topology.sh
source "$here/../demo/topology.sh"
# shellcheck source-path=SCRIPTDIR source=vm.sh
source "$here/vm.sh"
# shellcheck source-path=SCRIPTDIR source=traffic.sh
source "$here/traffic.sh"

vm_pid=''

fail() {
    echo "error: $1" >&2
    if [[ -n $vm_pid ]]; then
        in_vm journalctl --no-pager --lines=40 >&2 || true
        in_vm l4lb status >&2 || true
    fi
    exit 1
}

property() { in_vm systemctl show --property="$1" --value l4lb; }
is_property() { [[ $(property "$1") == "$2" ]]; }
says() { in_vm "${@:2}" 2>&1 | grep -F -- "$1" >/dev/null; }
has_program() { in_vm ip -d link show eth0 | grep prog/xdp >/dev/null; }
is_other_agent() { is_property ActiveState active && [[ $(property MainPID) != 0 && $(property MainPID) != "$agent" ]]; }

# backend_is SERVICE HEALTH: of the one backend that the service has.
backend_is() { in_vm l4lb service get --id "$1" | grep -E "^20\.1\.1\.40:.* $2( |$)"; }

play() {
    local package=$1 folder=$VM_SCRATCH/tmp
    topology_up
    vm_boot "$PREFIX-lb"
    install -m 0644 "$package" "$vm_disk/root/package.deb"
    rm -f "$vm_disk"/usr/bin/clang* "$vm_disk"/usr/bin/swift*

    echo "- installed"
    in_vm dpkg -i /root/package.deb >/dev/null
    is_property ActiveState inactive || fail "without a device the unit is $(property ActiveState)"
    ok "without a device the unit is skipped, not failed"
    cat >"$vm_disk/etc/l4lb/l4lb.yaml" <<'END'
version: 1
agent:
  devices: [eth0]
services:
  - frontend: 40.1.1.1:80
    backends: [{backend: 20.1.1.10:80}, {backend: 20.1.1.20:80}]
END

    echo "- started"
    in_vm systemctl start l4lb || fail "the unit does not start"
    is_property ActiveState active || fail "the unit is $(property ActiveState)"
    says "40.1.1.1:80/tcp" l4lb service list || fail "READY came before the services"
    ok "it is ready when packets are balanced"
    says "compiled     packaged" l4lb status || fail "the package's programs are not in use"
    in_vm grep -E '^(CapBnd|CapEff|NoNewPrivs|Seccomp):' "/proc/$(property MainPID)/status"
    traffic_start "$folder/traffic" "http://$VIP/" in_host client
    traffic_passes "started"

    echo "- reloaded"
    sed -i 's/20.1.1.20:80/20.1.1.30:80/' "$vm_disk/etc/l4lb/l4lb.yaml"
    in_vm systemctl reload l4lb || fail "the unit does not reload"
    within 5 "what the file says is at work" says "20.1.1.30:80" l4lb backend list
    traffic_passes "reloaded"

    echo "- killed"
    agent=$(property MainPID)
    in_vm kill -KILL "$agent"
    within 10 "another agent is there" is_other_agent
    is_property NRestarts 1 || fail "$(property NRestarts) restarts"
    says "took over the packet path" journalctl --no-pager --unit=l4lb || fail "the packet path was not taken over"
    traffic_passes "killed"

    echo "- restarted"
    in_vm systemctl restart l4lb || fail "the unit does not restart"
    traffic_passes "restarted"

    echo "- checking backends through the tunnel"
    in_vm l4lb mode update dsr
    in_vm l4lb service update --id=2 --frontend=40.1.1.1:81 --backends=20.1.1.40:80 --health-check=http \
        --health-port=80 --health-interval=200ms
    in_vm l4lb service update --id=3 --frontend=40.1.1.2:80 --backends=20.1.1.40:80 --health-check=http \
        --health-interval=200ms
    within 10 "a backend that answers for the frontend is up" backend_is 2 up
    within 10 "one that does not have the frontend's address is down" backend_is 3 down
    traffic_passes "in DSR"
    in_vm l4lb mode update snat

    echo "- hanging"
    mkdir -p "$vm_disk/etc/systemd/system/l4lb.service.d"
    printf '[Service]\nWatchdogSec=3\n' >"$vm_disk/etc/systemd/system/l4lb.service.d/watchdog.conf"
    in_vm systemctl daemon-reload
    in_vm systemctl restart l4lb
    agent=$(property MainPID)
    sleep 10
    [[ $(property MainPID) == "$agent" ]] || fail "the watchdog has ended an agent that works"
    ok "the watchdog leaves an agent alone that works"
    in_vm kill -STOP "$agent"
    within 20 "one that hangs is replaced" is_other_agent
    rm -r "$vm_disk/etc/systemd/system/l4lb.service.d"
    in_vm systemctl daemon-reload
    traffic_passes "hanging"

    echo "- stopped"
    in_vm systemctl stop l4lb || fail "the unit does not stop"
    is_property Result success || fail "the agent has ended as $(property Result)"
    has_program || fail "the packet path has ended with the agent"
    traffic_passes "without an agent"

    echo "- upgraded"
    in_vm systemctl start l4lb
    agent=$(property MainPID)
    in_vm dpkg -i /root/package.deb >/dev/null
    is_other_agent || fail "an upgrade does not restart the agent"
    traffic_passes "upgraded"
    traffic_stop

    echo "- rebooted"
    vm_shutdown
    vm_boot "$PREFIX-lb"
    within 10 "the agent is there after a reboot" is_property ActiveState active
    in_host client curl -fsS --max-time 5 "http://$VIP/" >/dev/null || fail "nothing is balanced after a reboot"

    echo "- removed"
    in_vm dpkg -r l4lb >/dev/null 2>&1 || fail "the package cannot be removed"
    ! has_program || fail "the removed package has left its program on eth0"
    is_property ActiveState inactive || fail "the agent outlives its package"
    in_vm dpkg -P l4lb >/dev/null 2>&1 || fail "the package cannot be purged"
    in_vm sh -c '! ls -d /sys/fs/bpf/l4lb /run/l4lb 2>/dev/null' || fail "something is left"
    left=$(vm_changed_files | grep l4lb) || true
    [[ -z $left ]] || fail "the purged package has left $left"
    ok "nothing is left"
}

main() {
    case ${1:-} in
        play) play "$2" ;;
        *.deb)
            [[ $EUID == 0 ]] || fail "namespaces need root: run with sudo"
            vm_world bash "${BASH_SOURCE[0]}" play "$(readlink -f "$1")"
            ;;
        *) usage >&2 && exit 2 ;;
    esac
}

main "$@"
