#!/usr/bin/env bash
# Everything that has to hold before a change is taken: style, the packet
# program in every configuration, all tests, the demo. On a fresh Debian 12 only
# Swift has to be there. Run as root; what is built stays the caller's.
set -euo pipefail

usage() {
    echo "usage: sudo Tests/run.sh [--swift=PATH]"
    echo "Installs Debian's packages that are missing. Ends with 'N passed, N failed'."
}

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
repository=$(dirname "$here")
# shellcheck source-path=SCRIPTDIR source=../demo/topology.sh
source "$repository/demo/topology.sh"
# shellcheck source-path=SCRIPTDIR source=../demo/prepare.sh
source "$repository/demo/prepare.sh"

# Helpers have numbers; this is the last one that Linux 6.1 has (user_ringbuf_drain).
last_helper=209
passed=0 failed=0

step() { printf '\n== %s\n' "$1"; }
fail() {
    echo "error: $1" >&2
    exit 1
}

# check NAME COMMAND...: counts as one that passed or failed; the rest goes on.
check() {
    local name=$1 start=$SECONDS status
    shift
    step "$name"
    # A shell of its own, so that the first command that fails ends it.
    set +e
    (
        set -e
        "$@"
    )
    status=$?
    set -e
    if [[ $status == 0 ]]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "failed: $name"
    fi
    echo "($((SECONDS - start)) s)"
}

style() {
    (as_caller "$SWIFT" format lint --strict -r Sources Tests Package.swift)
    if command -v shellcheck >/dev/null; then shellcheck -x demo/*.sh Tests/*.sh packaging/*.sh packaging/debian/* packaging/azure/{*.sh,start} .ci/run; fi
}

# One door per C library.
doors() {
    local door module folder imports found=0
    for door in CLibBPF:BPF CMnl:Netlink CEdit:Terminal; do
        module=${door%:*} folder=Sources/${door#*:}/
        imports=$(grep -rnE --include='*.swift' "\bimport\b.*\b$module\b" Sources Tests | grep -v "^$folder") || true
        if [[ -n $imports ]]; then
            echo "$imports"
            echo "only $folder may import $module"
            found=1
        fi
    done
    return "$found"
}

# program_helpers CLANG ASM_HEADERS NAME SOURCE MACRO...: compiles to assembly, which shows the numbers of the helpers.
program_helpers() {
    local clang=$1 headers=$2 name=$3 source=$4 helpers helper
    shift 4
    "$clang" -O2 -g -target bpf -mcpu=v3 -Wall -Werror -I"$headers" "$@" -S "$source" -o "$scratch/program.s"
    helpers=$(sed -nE 's/^\s*call ([0-9]+)$/\1/p' "$scratch/program.s" | sort -nu | tr '\n' ' ')
    echo "$name: helpers $helpers"
    [[ -n $helpers ]] || fail "no helper found in the assembly"
    for helper in $helpers; do
        ((helper <= last_helper)) || fail "helper $helper: Linux 6.1 has none above $last_helper"
    done
}

# The packet program by itself in every configuration, and the filters of health checks.
packet_program() {
    local clang header headers macros size
    clang=$(find_clang)
    header=$(compgen -G '/usr/include/*-linux-gnu/asm/types.h' | head -n 1)
    headers=${header%/asm/types.h}
    for size in 251 131071; do
        for macros in -DL4LB_SNAT -DL4LB_DSR '-DL4LB_SNAT -DL4LB_DSR' '-DL4LB_SNAT -DL4LB_IPV6' \
            '-DL4LB_DSR -DL4LB_IPV6' '-DL4LB_SNAT -DL4LB_DSR -DL4LB_IPV6' \
            '-DL4LB_SNAT -DL4LB_DSR -DL4LB_IPV6 -DL4LB_DRY'; do
            # shellcheck disable=SC2086 # one macro or several
            program_helpers "$clang" "$headers" "maglev $size, $macros" bpf/l4lb.bpf.c \
                -DL4LB_MAGLEV_TABLE_SIZE=$size $macros
        done
    done
    program_helpers "$clang" "$headers" "health checks" bpf/probe.bpf.c
}

# run_tests NAME OPTION...: what has been built, as root.
run_tests() {
    local name=$1 log=$scratch/tests.log total broken status=0
    shift
    step "$name"
    TMPDIR=$scratch/tmp "$SWIFT" test --skip-build "$@" 2>&1 | tee "$log" || status=$?
    total=$(sed -nE 's/^.* Test run with ([0-9]+) tests? .*/\1/p' "$log" | tail -n 1)
    broken=$(grep -cE 'Test ("|[A-Za-z0-9_]+\().* failed after ' "$log") || true
    if [[ -z $total ]]; then
        total=1 broken=1
        echo "failed: the tests did not come to their end"
    fi
    if [[ $status != 0 && $broken == 0 ]]; then broken=1; fi
    passed=$((passed + total - broken))
    # Without this, tests that cannot run would look like tests that pass.
    if grep -E '(Test|Suite) .* skipped' "$log"; then
        broken=$((broken + 1))
        echo "failed: tests were skipped though this is root"
    fi
    failed=$((failed + broken))
}

# Its checks count; the figures of so short a run, on a machine that does other things too, do not.
bench() {
    local folder
    folder=$(as_caller "$SWIFT" build --show-bin-path)
    "$folder/l4lb" bench --short
}

# Sets PROMTOOL. Debian's package would start a daemon where it is installed, so it is only unpacked.
find_promtool() {
    PROMTOOL=${PROMTOOL:-$(command -v promtool)} || true
    if [[ -z $PROMTOOL ]]; then
        mkdir "$scratch/prometheus"
        (
            cd "$scratch/prometheus"
            # Apt's own user may not write here.
            download=(apt-get -qq -o APT::Sandbox::User=root download prometheus)
            "${download[@]}" || { apt-get -qq update && "${download[@]}"; }
            dpkg -x prometheus_*.deb .
        ) || fail "promtool is missing, and Debian's package prometheus cannot be had: give its path as PROMTOOL"
        PROMTOOL=$scratch/prometheus/usr/bin/promtool
    fi
    export PROMTOOL
}

# Of the binary that the demo has built.
package() {
    local folder
    folder=$(as_caller "$SWIFT" build -c release --show-bin-path)
    packaging/build-deb.sh --binary="$folder/l4lb" --output="$scratch"
    Tests/package.sh "$scratch"/l4lb_*.deb
    Tests/unit.sh "$scratch"/l4lb_*.deb
}

# Of the same build, linked anew. The caller builds, in a folder of the caller's.
azure_package() {
    local folder=$scratch/linked
    chmod 0711 "$scratch"
    install -d -o "${SUDO_USER:-root}" "$folder"
    (as_caller packaging/azure/link.sh --swift="$SWIFT" --output="$folder")
    Tests/azure-package.sh "$folder"
    Tests/azure-settings.py "$folder/l4lb-azure-handler"
}

# Two versions of what azure_package has linked.
extension() {
    local version
    for version in 1.0.0 1.1.0; do
        packaging/azure/build.sh --version="$version" --binaries="$scratch/linked" --output="$scratch"
    done
    Tests/azure.sh "$scratch"/Community.L4LB-1.{0,1}.0.zip
}

# What tests and demo could leave, a line for each thing.
leftovers() {
    local name owner process
    ip netns list | awk '$1 ~ /^l4lb-demo-/ { print "namespace", $1 }'
    for name in $(ip netns list | awk '$1 ~ /^l4lb-e2e-/ { print $1 }') $(compgen -G '/run/l4lb-e2e-*'); do
        # One that is in use belongs to another test run.
        owner=${name##*l4lb-e2e-}
        [[ -e /proc/${owner%%-*} ]] || echo "left by a test: $name"
    done
    for process in /proc/[0-9]*; do
        name=$(readlink "$process/exe") || continue
        if [[ $name == "$repository/.build/"*/l4lb ]]; then echo "process ${process#/proc/}: $name"; fi
    done
    find "$scratch/tmp" -mindepth 1 -maxdepth 1 -name 'l4lb-*'
    find /sys/fs/bpf -mindepth 1
    find /sys/fs/cgroup -maxdepth 2 -name 'l4lb-vm-*'
    ip -d link show | awk '/prog\/xdp/ { print "XDP program on a device of this host:", $0 }'
}

nothing_is_left() {
    local left
    left=$(leftovers)
    if [[ $left != "$before" ]]; then
        diff <(echo "$before") <(echo "$left") || true
        return 1
    fi
}

clean_up() {
    local status=$?
    if [[ -n ${worker:-} ]]; then kill "$worker" 2>/dev/null || true; fi
    if [[ -n ${mounted:-} ]]; then umount /sys/fs/bpf || true; fi
    rm -rf -- "${scratch:-}"
    rm -f -- "${worker_log:-}"
    # Root has run what the caller has built.
    if has_caller && [[ -d $repository/.build ]]; then chown -R --from=root "$SUDO_USER" "$repository/.build" || true; fi
    exit "$status"
}

main() {
    while [[ $# != 0 ]]; do
        case $1 in
            --swift=*) SWIFT=${1#*=} ;;
            -h | --help) usage && exit 0 ;;
            *) usage >&2 && exit 2 ;;
        esac
        shift
    done
    [[ $EUID == 0 ]] || fail "network namespaces and XDP need root: run with sudo"
    cd "$repository"
    trap clean_up EXIT
    trap 'exit 130' INT TERM HUP
    scratch=$(mktemp -d)
    mkdir "$scratch/tmp"
    needed_packages+=(bpftool dpkg-dev jq openssl procps python3-jsonschema python3-yaml systemd unzip zip)
    install_packages
    find_promtool
    find_swift
    [[ -n $SWIFT ]] || fail "no swift found: give --swift=PATH (https://www.swift.org/install/linux)"
    if ! grep -q '^[^ ]* /sys/fs/bpf bpf ' /proc/self/mounts; then
        mount -t bpf bpf /sys/fs/bpf
        mounted=1
    fi
    L4LB_CLANG=$(find_clang)
    export L4LB_CLANG
    before=$(leftovers)

    check "style" style
    check "one door per C library" doors
    check "the packet program in every configuration, and its helpers" packet_program
    step "building"
    (as_caller "$SWIFT" build --build-tests) || fail "the build failed"
    run_tests "the modules" --skip EndToEndTests --skip DataplaneTests
    # By themselves: these keep all processors busy for long, the others wait for answers.
    run_tests "the packet program" --filter DataplaneTests
    run_tests "the real program among real hosts" --filter EndToEndTests
    check "the bench, shortly" bench
    check "the demo" "$repository/demo/run.sh" --swift="$SWIFT"
    check "the Debian package" package
    check "the VM extension's package" azure_package
    check "the VM extension" extension
    check "nothing is left behind" nothing_is_left

    printf '\n%d passed, %d failed\n' "$passed" "$failed"
    [[ $failed == 0 ]]
}

main "$@"
