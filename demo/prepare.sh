#!/usr/bin/env bash
# What the demo needs before it can begin: Debian's packages, swift, and the
# built agent. Sourced by run.sh.

needed_packages=(libbpf-dev libelf-dev libmnl-dev libedit-dev libstdc++-12-dev nginx-light curl
    tcpdump iproute2 ethtool pkg-config)

# with_progress TEXT COMMAND...: one line that says what goes on and for how
# long; the command's output is shown only when it fails.
with_progress() {
    local text=$1 start=$SECONDS status=0
    shift
    worker_log=$(mktemp)
    "$@" </dev/null >"$worker_log" 2>&1 &
    worker=$!
    if [[ -t 1 ]]; then
        while kill -0 "$worker" 2>/dev/null; do
            printf '\r%s ... %d s' "$text" $((SECONDS - start))
            sleep 0.5
        done
        printf '\r'
    else
        echo "$text ..."
    fi
    wait "$worker" || status=$?
    worker=''
    if [[ $status != 0 ]]; then
        printf '%s: failed\n' "$text"
        cat "$worker_log"
        rm -f "$worker_log"
        return "$status"
    fi
    rm -f "$worker_log"
    printf '%s: done, %d s\n' "$text" $((SECONDS - start))
}

missing_packages() {
    local package
    for package in "${needed_packages[@]}"; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
    done
}

# Debian's nginx starts a daemon when it is installed, and at each boot; the
# demo starts its own. A half-done installation would be worse than a late ^C.
install_quietly() {
    local policy=/usr/sbin/policy-rc.d status=0 made=no
    trap '' INT TERM HUP
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 0755 "$policy"
        made=yes
    fi
    apt-get -qq update &&
        DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" || status=$?
    if [[ $made == yes ]]; then rm -f "$policy"; fi
    if [[ $status == 0 && " $* " == *" nginx-light "* && -d /run/systemd/system ]]; then
        systemctl disable --now nginx.service || status=$?
    fi
    return "$status"
}

install_packages() {
    local missing
    mapfile -t missing < <(missing_packages)
    [[ ${#missing[@]} != 0 ]] || return 0
    if ! command -v apt-get >/dev/null; then
        fail "these packages are missing, and there is no apt-get: ${missing[*]}"
    fi
    with_progress "installing ${missing[*]}" install_quietly "${missing[@]}" ||
        fail "the packages could not be installed"
}

has_caller() {
    [[ -n ${SUDO_USER:-} && $SUDO_USER != root ]]
}

# as_caller COMMAND...: as the user who called sudo, so that .build does not
# become root's. To be called in a subshell, whose place the command takes.
as_caller() {
    if has_caller; then
        exec sudo -H -u "$SUDO_USER" -- env PATH="$caller_path" "$@"
    else
        exec "$@"
    fi
}

# Sets SWIFT, if there is one. sudo hides a toolchain that is only on the caller's PATH.
find_swift() {
    if has_caller; then
        caller_path=$(sudo -H -u "$SUDO_USER" -i printenv PATH 2>/dev/null | tail -n 1) || caller_path=$PATH
    fi
    if [[ -n ${SWIFT:-} ]]; then
        SWIFT=$(command -v "$SWIFT") || fail "--swift: there is no such program"
    else
        SWIFT=$(command -v swift) || SWIFT=$(PATH=${caller_path:-$PATH} command -v swift) || SWIFT=''
    fi
}

# Sets L4LB to the agent, which is built unless the caller has set it.
find_agent() {
    local repository=$1 build
    find_swift
    if [[ -n ${L4LB:-} ]]; then
        [[ -x $L4LB ]] || fail "L4LB: $L4LB is not a program"
        L4LB=$(readlink -f "$L4LB")
        return
    fi
    [[ -n $SWIFT ]] || fail "no swift found: give --swift=PATH (https://www.swift.org/install/linux)"
    # With Swift's own libraries in it, so that it runs where there is no Swift.
    build=(as_caller "$SWIFT" build -c release --product l4lb --static-swift-stdlib --package-path "$repository")
    with_progress "building l4lb (release)" "${build[@]}" || fail "l4lb could not be built"
    L4LB=$("${build[@]}" --show-bin-path)/l4lb
}
