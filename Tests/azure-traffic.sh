#!/usr/bin/env bash
# The VM extension under the real agent of Azure, with the harness's fabric around it, while clients of the demo's hosts
# ask a service on the VM. Nothing of it stays.
set -euo pipefail

usage() { echo "usage: sudo L4LB_AZURE_HARNESS=DIR Tests/azure-traffic.sh PACKAGE-1.0.0.zip PACKAGE-1.1.0.zip"; }

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
PREFIX=azure
# shellcheck source-path=SCRIPTDIR source=../demo/topology.sh
source "$here/../demo/topology.sh"
# shellcheck source-path=SCRIPTDIR source=traffic.sh
source "$here/traffic.sh"

fail() {
    echo "error: $1"
    exit 1
}

ok() { echo "ok $1"; }

# The demo's hosts, with the VM in the place of the balancer: its second device. Then what the lines of standard input
# say, a line of answer for each.
hosts() {
    local vm=$1 word rest
    topology_up >&2
    ip -n "$PREFIX-lb" link set eth0 netns "$vm" name eth1
    nsenter --target="$vm" --net -- sh -c "ip address add $BALANCER/24 dev eth1 && ip link set eth1 up"
    ok "the hosts are there"
    while read -r word rest; do
        case $word in
            start) traffic_start "$(mktemp -d)/traffic" "$rest" in_host client && ok started ;;
            passes) traffic_passes "$rest" ;;
            stop) traffic_stop && ok stopped ;;
        esac
    done
}

# As process 1 of the namespaces. Names of network namespaces, and all files, are its own.
inside() {
    mount -t tmpfs -o mode=0755 tmpfs /run
    mkdir /run/scratch
    TMPDIR=/run/scratch /usr/bin/python3 -u "$here/azure-traffic.py" --no-contract --agent debian --zip-v1 "$1" --zip-v2 "$2"
}

main() {
    case ${1:-} in
        hosts) hosts "$2" ;;
        inside) inside "$2" "$3" ;;
        *.zip)
            [[ $EUID == 0 && $# == 2 && -n ${L4LB_AZURE_HARNESS:-} ]] || fail "two packages, the harness and root are needed"
            /usr/bin/python3 "$L4LB_AZURE_HARNESS/harness.py" --prepare --zip-v1 "$1" --zip-v2 "$2"
            unshare --mount --propagation private --net --uts --ipc --pid --fork --kill-child --mount-proc -- \
                bash "${BASH_SOURCE[0]}" inside "$(readlink -f "$1")" "$(readlink -f "$2")"
            ;;
        *) usage >&2 && exit 2 ;;
    esac
}

main "$@"
