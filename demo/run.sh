#!/usr/bin/env bash
# The walk-through: a client, the balancer and four web servers in network
# namespaces; every step is checked.
set -euo pipefail

usage() {
    cat <<EOF
usage: sudo demo/run.sh [--swift=PATH]   plays the walk-through, then removes everything
       sudo demo/run.sh --shell          builds the same network and gives you the prompt
       sudo demo/run.sh --down           removes what --shell has left

environment: L4LB         an agent that is built already
             L4LB_CLANG   the clang that compiles the packet programs
Installs Debian's packages that are missing, and builds l4lb when L4LB is not set.
EOF
}

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=topology.sh
source "$here/topology.sh"
# shellcheck source-path=SCRIPTDIR source=prepare.sh
source "$here/prepare.sh"
# shellcheck source-path=SCRIPTDIR source=prompt.sh
source "$here/prompt.sh"

PREFIX=l4lb-demo
current_step=beginning

if [[ -t 1 ]]; then
    bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' green='' red='' plain=''
fi

step() {
    current_step=$1
    printf '\n%s%s%s\n' "$bold" "$1" "$plain"
}
true_that() { printf '  %sok%s %s\n' "$green" "$plain" "$1"; }
fail() {
    printf '%serror: %s: %s%s\n' "$red" "$current_step" "$1" "$plain" >&2
    failed=1
    exit 1
}

# A process that has ended and that nobody has asked after does not count.
is_running() {
    [[ -e /proc/$1 ]] && ! grep '^State:.*Z' "/proc/$1/status" >/dev/null 2>&1
}

# end_process PID SECONDS: bash's wait may block for ever after one that ^C interrupted.
end_process() {
    local deadline=$((SECONDS + $2))
    [[ -n $1 ]] || return 0
    kill "$1" 2>/dev/null || return 0
    while is_running "$1" && ((SECONDS < deadline)); do sleep 0.05; done
    kill -KILL "$1" 2>/dev/null || true
}

fetch() { in_host client curl -fsS --max-time 5 "http://$VIP$1"; }
spread() { sort | uniq -c | sed 's/^/    /'; }

every_backend_answers() {
    local answers='' expected got
    expected=$(printf 'backend %s\n' "${backend_addresses[@]}" | sort)
    for _ in {1..200}; do
        answers+=$(fetch /)$'\n'
        got=$(sort -u <<<"${answers%$'\n'}")
        [[ $got != "$expected" ]] || break
    done
    spread <<<"${answers%$'\n'}"
    [[ $got == "$expected" ]] || fail "after 200 requests not every backend has answered"
    true_that "every backend has answered"
}

more_source_ports() {
    local answers='' kinds
    for _ in {1..20}; do answers+=$(fetch /)$'\n'; done
    answers=${answers%$'\n'}
    spread <<<"$answers"
    [[ $(wc -l <<<"$answers") == 20 ]] || fail "20 requests, but not 20 answers"
    kinds=$(sort -u <<<"$answers" | wc -l)
    ((kinds > 1)) || fail "20 source ports, all at one backend"
    true_that "20 connections, $kinds backends"
}

big_file_arrives() {
    fetch /big >"$folder/got"
    cmp "$folder/got" "$folder/big" || fail "the file has arrived damaged"
    true_that "3 MB, byte for byte"
}

frames() { tcpdump -n -r "$folder/frames.pcap" "$1" 2>/dev/null | wc -l; }

# Seen on the switch's side of the cable: frames that XDP handles do not show on the balancer's own eth0.
capture_requests() {
    # Its last lines would be taken for the new one's.
    rm -f "$folder/tcpdump.log" "$folder/frames.pcap"
    nsenter --net="$(netns switch)" -- tcpdump -i lb -n --immediate-mode -U -Z root -w "$folder/frames.pcap" ip \
        2>"$folder/tcpdump.log" &
    capture=$!
    for _ in {1..100}; do
        ! grep 'listening on' "$folder/tcpdump.log" >/dev/null 2>&1 || break
        sleep 0.05
    done
    grep 'listening on' "$folder/tcpdump.log" >/dev/null || fail "tcpdump does not begin: $(<"$folder/tcpdump.log")"
    for _ in {1..5}; do fetch / >/dev/null; done
    # The last frames are still on their way to the file.
    sleep 0.5
    kill "$capture"
    wait "$capture" || true
    capture=''
}

# carries NAME FILTER: frames of that kind have passed; carries_no: none.
carries() {
    local count
    count=$(frames "$2")
    ((count > 0)) || fail "no $1 on the balancer's cable"
    true_that "$1: $count packets"
}
carries_no() {
    local count
    count=$(frames "$2")
    ((count == 0)) || fail "$1 on the balancer's cable: $count packets"
    true_that "$1: none"
}

balancer_carries() {
    capture_requests
    carries "requests from the client" "src host $CLIENT and dst host $VIP and tcp dst port 80"
    if [[ $1 == snat ]]; then
        carries "requests to the backends, from the balancer's address" "src host $BALANCER and tcp dst port 80"
        carries "replies of the backends" "dst host $BALANCER and tcp src port 80"
        carries "replies to the client, from the frontend's address" "src host $VIP and dst host $CLIENT and tcp src port 80"
    else
        carries "requests to the backends, whole, in IPIP" "src host $BALANCER and ip proto 4"
        carries_no "replies" "tcp src port 80"
    fi
}

backends_see() {
    local backend seen
    for backend in "${backend_addresses[@]}"; do : >"$folder/$backend/access.log"; done
    for _ in {1..20}; do fetch / >/dev/null; done
    seen=$(cd "$folder" && for backend in "${backend_addresses[@]}"; do cat "$backend/access.log"; done | sort -u)
    [[ $seen == "$1" ]] || fail "the backends' logs name $seen, not $1"
    true_that "the backends' logs name $1"
}

# dumpstate_shows MODE: begins a slow download, whose connection then shows. It goes on.
dumpstate_shows() {
    nsenter --net="$(netns client)" -- curl -fsS --max-time 30 -o "$folder/slow" "http://$VIP/slow" \
        2>"$folder/slow.log" &
    download=$!
    sleep 1
    prompt_run "service dumpstate --id 1"
    grep -F "$CLIENT:" <<<"$prompt_answer" | grep -i "$1" | grep -i established >/dev/null ||
        fail "no established connection of $CLIENT in mode $1"
    true_that "the client's connection is there, in mode $1"
}

slow_download_arrives() {
    wait "$download" || { cat "$folder/slow.log"; fail "the download has broken off"; }
    download=''
    cmp "$folder/slow" "$folder/big" || fail "the download has arrived damaged"
    true_that "3 MB, byte for byte"
}

# walk MODE ADDRESS-THAT-BACKENDS-SEE
walk() {
    local mode=${1^^}
    step "$mode: the client asks the frontend until each backend has answered"
    every_backend_answers
    step "$mode: more source ports, and how they spread"
    more_source_ports
    step "$mode: a large file"
    big_file_arrives
    step "$mode: what the balancer's cable carries"
    balancer_carries "$1"
    step "$mode: whom the backends see"
    backends_see "$2"
    step "$mode: the active connections, while a slow download runs"
    dumpstate_shows "$1"
}

nothing_is_left() {
    local link pids
    link=$(ip -n "$PREFIX-lb" -d link show dev eth0)
    [[ $link != *xdp* ]] || fail "an XDP program is still on the balancer's eth0: $link"
    true_that "no XDP program on the balancer's eth0"
    [[ -z $(ip netns pids "$PREFIX-lb") ]] || fail "a process is still on the balancer"
    true_that "no process on the balancer"
    pids=$(topology_pids)
    topology_down
    ! topology_exists || fail "not all of the network is removed"
    for pid in $pids; do ! is_running "$pid" || fail "process $pid is still there"; done
    true_that "network namespaces, web servers and files are removed"
}

agent_command() {
    printf 'exec nsenter --net=%q -- %q --bpf-lb-mode=snat --device=eth0' "/run/netns/$PREFIX-lb" "$L4LB"
}

frontend_command() {
    local backends
    backends=$(printf '%s:80,' "${backend_addresses[@]}")
    echo "service update --frontend=$VIP:80 --backends=${backends%,} --id=1"
}

play() {
    folder=$(topology_folder)
    step "The network: a client, the balancer and four web servers on one switch"
    topology_up
    true_that "$CLIENT, $BALANCER, and behind it ${BACKENDS// /, }"
    step "The agent in SNAT mode, at its prompt"
    # The history of this prompt is nobody's.
    export XDG_STATE_HOME=$folder/state
    prompt_start "$folder" "$(agent_command)"
    true_that "l4lb --bpf-lb-mode=snat --device=eth0"
    step "A service: one frontend, four backends"
    prompt_run "$(frontend_command)"
    walk snat "$BALANCER"
    step "DSR: one command changes the mode, and the SNAT download goes on"
    prompt_run "mode update dsr"
    slow_download_arrives
    walk dsr "$CLIENT"
    slow_download_arrives
    step "The end: the agent leaves nothing behind"
    prompt_exit || fail "the agent's exit code is $?"
    true_that "exit code 0"
    nothing_is_left
    printf '\n%sEvery step did what it says.%s\n' "$bold" "$plain"
}

shell() {
    if ! topology_exists; then
        topology_up
        trap - EXIT
    fi
    cat <<EOF
At the prompt:
  $(frontend_command)
  service dumpstate --id 1
  mode update dsr
In a second shell:
  sudo ip netns exec $PREFIX-client curl http://$VIP/
  sudo ip netns exec $PREFIX-switch tcpdump -n -i lb
  tail -f $(topology_folder)/*/access.log
The network stays until: sudo $0 --down

EOF
    # ^C is the agent's while it runs.
    trap : INT
    bash -c "$(agent_command)"
}

clean_up() {
    local status=$?
    if [[ $status != 0 && -z ${failed:-} ]]; then echo "error: $current_step: not finished" >&2; fi
    # An installation takes the time it takes; half of one would be worse.
    end_process "${worker:-}" 600
    rm -f "${worker_log:-}"
    for pid in "${capture:-}" "${download:-}" "${prompt_pid:-}"; do end_process "$pid" 5; done
    if [[ -n ${owns_topology:-} ]]; then topology_down; fi
    exit "$status"
}

main() {
    local action=play
    while [[ $# != 0 ]]; do
        case $1 in
            --shell) action=shell ;;
            --down) action=down ;;
            --swift=*) SWIFT=${1#*=} ;;
            --swift) SWIFT=${2:?--swift wants a path} && shift ;;
            -h | --help) usage && exit 0 ;;
            *) usage >&2 && exit 2 ;;
        esac
        shift
    done
    [[ $EUID == 0 ]] || fail "network namespaces and XDP need root: run with sudo"
    if [[ $action == down ]]; then topology_down && exit 0; fi
    trap clean_up EXIT
    trap 'exit 130' INT TERM HUP
    current_step="preparing"
    install_packages
    if topology_exists && [[ $action == play ]]; then
        fail "the network of --shell is still there: sudo $0 --down removes it"
    fi
    find_agent "$(dirname "$here")"
    L4LB_CLANG=$(find_clang)
    export L4LB_CLANG
    topology_exists || owns_topology=1
    "$action"
    owns_topology=''
}

main "$@"
