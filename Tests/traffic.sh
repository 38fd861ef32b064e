#!/usr/bin/env bash
# Clients that ask without a pause, to be sourced: new connections one after the other, and one connection that lives
# through it all. A request has a second: a lost packet of a handshake comes again only after that time.
#
#   traffic_start FOLDER URL COMMAND...   the command starts curl, in the client's namespace
#   traffic_passes TEXT                   fails unless both went on since the last time, and nothing failed
#   traffic_stop

# Each request is a line: the client's port, the status.
traffic_new_connections() {
    local url=$1
    shift
    while :; do
        "$@" curl -sS --max-time 1 -o /dev/null -w '%{local_port} %{http_code}\n' "$url" ||
            echo "at $(date +%T.%N)"
    done
}

traffic_start() {
    local url=$2
    traffic_folder=$1
    mkdir "$traffic_folder"
    traffic_new_connections "$url" "${@:3}" >"$traffic_folder/new" 2>"$traffic_folder/new.errors" &
    traffic_pids=($!)
    "${@:3}" stdbuf -oL curl -sS --max-time 1 --rate 20/s -o /dev/null -w '%{local_port} %{http_code}\n' "$url?[1-1000000]" \
        >"$traffic_folder/long" 2>"$traffic_folder/long.errors" &
    traffic_pids+=($!)
    traffic_seen=(0 0)
}

traffic_passes() {
    local kind wrong number=0 seen
    # Whatever has been asked by now has its answer, or has failed.
    sleep 1.2
    for kind in new long; do
        wrong=$(grep -v ' 200$' "$traffic_folder/$kind" | head -n 3) || true
        wrong+=$(head -n 3 "$traffic_folder/$kind.errors")
        [[ -z $wrong ]] || fail "$1: requests on ${kind/%new/new connections} failed: ${wrong//$'\n'/; }"
        seen=$(wc -l <"$traffic_folder/$kind")
        ((seen >= traffic_seen[number] + 10)) || fail "$1: the clients have stopped asking ($kind: $seen)"
        traffic_seen[number]=$seen
        number=$((number + 1))
    done
    [[ $(cut -d ' ' -f 1 "$traffic_folder/long" | sort -u | wc -l) == 1 ]] || fail "$1: the long connection was broken"
    ok "$1: ${traffic_seen[0]} new connections, ${traffic_seen[1]} requests on the old one"
}

traffic_stop() {
    local pid
    for pid in "${traffic_pids[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    traffic_pids=()
}
