#!/usr/bin/env bash
# A client, a balancer and backends on one switch, each in a network namespace
# of its own. To be sourced, or run: topology.sh up PREFIX | down PREFIX
#
# Other addresses (IPv4, all in one /24) come from the environment:
: "${CLIENT:=20.1.1.100}"
: "${BALANCER:=20.1.1.1}"
: "${BACKENDS:=20.1.1.10 20.1.1.20 20.1.1.30 20.1.1.40}"
: "${VIP:=40.1.1.1}"
read -ra backend_addresses <<<"$BACKENDS"

demo_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

netns() {
    echo "/run/netns/$PREFIX-$1"
}

# in_host HOST COMMAND...: not `ip netns exec`, which would give the command a /sys without the bpffs.
in_host() {
    local host=$1
    shift
    nsenter --net="$(netns "$host")" -- "$@"
}

# Where nginx's files are: fixed, so that a later `down` finds them, and in a folder only root writes to.
topology_folder() {
    echo "/run/$PREFIX"
}

topology_hosts() {
    ip netns list | awk -v prefix="$PREFIX-" '
        index($1, prefix) == 1 && substr($1, length(prefix) + 1) ~ /^(client|lb|switch|b[0-9]+)$/ {
            print substr($1, length(prefix) + 1)
        }'
}

topology_exists() {
    [[ -n $(topology_hosts) || -e $(topology_folder) ]]
}

knows_bpf() {
    "$1" -print-targets 2>/dev/null | grep '^ *bpf ' >/dev/null
}

# A clang that compiles for BPF: the one asked for, any on PATH, or the one that comes with Swift.
find_clang() {
    local name path resources swift_as=()
    if [[ -n ${SUDO_USER:-} ]]; then swift_as=(sudo -H -u "$SUDO_USER" --); fi
    for name in "${L4LB_CLANG:-}" clang clang-{25..14}; do
        path=$(command -v "$name" 2>/dev/null) || continue
        if knows_bpf "$path"; then echo "$path" && return; fi
    done
    path=$(command -v "${SWIFT:-swift}" 2>/dev/null) || path=''
    if [[ -n $path ]]; then
        name=$(dirname "$(readlink -f "$path")")/clang
        if knows_bpf "$name"; then echo "$name" && return; fi
        # A launcher stands elsewhere than the toolchain that it starts, and may start only its owner's.
        resources=$("${swift_as[@]}" "$path" -print-target-info 2>/dev/null |
            sed -n 's/.*"runtimeResourcePath": *"\(.*\)".*/\1/p') || resources=''
        name=${resources%/lib/swift}/bin/clang
        if knows_bpf "$name"; then echo "$name" && return; fi
    fi
    echo "error: no clang that compiles for BPF: set L4LB_CLANG, or put clang or swift on PATH" >&2
    return 1
}

compile_decap() {
    local clang header
    clang=$(find_clang)
    header=$(compgen -G '/usr/include/*-linux-gnu/asm/types.h' | head -n 1)
    "$clang" -O2 -g -Wall -Werror -target bpf -mcpu=v3 -I"${header%/asm/types.h}" \
        -c "$demo_dir/decap.bpf.c" -o "$1"
}

# plug HOST ADDRESS: a host with one interface, eth0, in a port of the switch that has the host's name.
plug() {
    local host=$1 address=$2
    ip netns add "$PREFIX-$host"
    ip link add eth0 netns "$PREFIX-$host" type veth peer name "$host" netns "$PREFIX-switch"
    ip -n "$PREFIX-switch" link set "$host" master br0 up
    ip -n "$PREFIX-$host" link set lo up
    ip -n "$PREFIX-$host" address add "$address/24" dev eth0
    ip -n "$PREFIX-$host" link set eth0 up
}

# veth would hand over half-done checksums and packets larger than the link.
plain_frames() {
    local host=$1
    in_host "$host" ethtool -K eth0 tx off tso off gso off >/dev/null
    in_host switch ethtool -K "$host" tx off tso off gso off >/dev/null
}

# An nginx in $1 that says which backend it is. Its files are in $3 only.
start_nginx() {
    local host=$1 address=$2 folder=$3 log
    mkdir -p "$folder/html"
    echo "backend $address" >"$folder/html/index.html"
    ln "$(topology_folder)/big" "$folder/html/big"
    ln "$(topology_folder)/big" "$folder/html/slow"
    cat >"$folder/nginx.conf" <<EOF
daemon off;
worker_processes 1;
pid $folder/nginx.pid;
error_log $folder/error.log;
events { worker_connections 512; }
http {
    log_format address '\$remote_addr';
    access_log $folder/access.log address;
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    # A connection may ask for longer than any test.
    keepalive_requests 1000000;
    server {
        listen 80;
        root $folder/html;
        default_type text/plain;
        # Slow enough to live through a change of mode.
        location = /slow { limit_rate 500k; }
    }
}
EOF
    log=$folder/start.log
    # A session of its own: ^C in the demo is not for nginx, which is ended by its process id.
    in_host "$host" setsid --fork nginx -p "$folder" -e "$folder/error.log" -c "$folder/nginx.conf" \
        </dev/null >"$log" 2>&1
    for _ in {1..100}; do
        if in_host "$host" curl -fsS --max-time 1 "http://$address/" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    echo "error: nginx on $address does not answer:" >&2
    cat "$log" "$folder/error.log" >&2
    return 1
}

# attach_xdp HOST DEVICE PROGRAM: ip makes folders in the bpf filesystem; in a mount namespace of its
# own they go with the call.
attach_xdp() {
    unshare --mount -- sh -c 'mount -t bpf bpf /sys/fs/bpf && exec "$@"' sh \
        ip -n "$PREFIX-$1" link set dev "$2" xdpdrv obj "$(topology_folder)/decap.o" sec "xdp/$3"
}

add_backend() {
    local host=$1 address=$2
    plug "$host" "$address"
    plain_frames "$host"
    # It answers for the frontend address, and takes packets for it that came by another way.
    ip -n "$PREFIX-$host" address add "$VIP/32" dev lo
    in_host "$host" sh -c 'cd /proc/sys/net/ipv4/conf && echo 0 >all/rp_filter && echo 0 >eth0/rp_filter'
    attach_xdp "$host" eth0 decap
    start_nginx "$host" "$address" "$(topology_folder)/$address"
}

topology_up() {
    local folder address number=0
    folder=$(topology_folder)
    mkdir -m 0755 "$folder"
    compile_decap "$folder/decap.o"
    head -c 3000000 /dev/urandom >"$folder/big"
    chmod 0644 "$folder/big"

    ip netns add "$PREFIX-switch"
    ip -n "$PREFIX-switch" link add br0 type bridge
    ip -n "$PREFIX-switch" link set br0 up
    plug client "$CLIENT"
    plain_frames client
    plug lb "$BALANCER"
    ip -n "$PREFIX-client" route add "$VIP/32" via "$BALANCER"
    attach_xdp switch lb pass
    for address in "${backend_addresses[@]}"; do
        number=$((number + 1))
        add_backend "b$number" "$address"
    done
}

topology_pids() {
    local host
    for host in $(topology_hosts); do ip netns pids "$PREFIX-$host"; done
}

# Also removes what a broken-off topology_up has left.
topology_down() {
    local host pid folder
    for pid in $(topology_pids); do kill "$pid" 2>/dev/null || true; done
    for _ in {1..50}; do
        [[ -n $(topology_pids) ]] || break
        sleep 0.1
    done
    for pid in $(topology_pids); do kill -KILL "$pid" 2>/dev/null || true; done
    for host in $(topology_hosts); do ip netns delete "$PREFIX-$host"; done
    folder=$(topology_folder)
    rm -rf -- "$folder"
}

topology_main() {
    set -euo pipefail
    if [[ $# != 2 || ! $1 =~ ^(up|down)$ || ! $2 =~ ^[a-z][a-z0-9-]*$ ]]; then
        echo "usage: topology.sh up PREFIX | down PREFIX   (PREFIX: small letters, digits, '-')" >&2
        echo "environment: CLIENT, BALANCER, BACKENDS (blank-separated), VIP, L4LB_CLANG" >&2
        exit 2
    fi
    if [[ $EUID != 0 ]]; then
        echo "error: namespaces need root: run with sudo" >&2
        exit 1
    fi
    PREFIX=$2
    if [[ $1 == down ]]; then
        topology_down
        return
    fi
    if topology_exists; then
        echo "error: a topology $PREFIX is there already: topology.sh down $PREFIX removes it" >&2
        exit 1
    fi
    trap topology_down EXIT
    trap 'exit 130' INT TERM
    topology_up
    trap - EXIT
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    topology_main "$@"
fi
