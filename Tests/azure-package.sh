#!/usr/bin/env bash
# The package of the VM extension: what is in it, that it is the same each time, that
# its programs start where there is nothing but glibc, and what it says where they
# cannot. Root, for a chroot.
set -euo pipefail

usage() {
    echo "usage: sudo Tests/azure-package.sh BINARIES"
    echo "  BINARIES  the folder that packaging/azure/link.sh has filled"
}

fail() {
    echo "error: $1" >&2
    exit 1
}

# ends STATUS TEXT COMMAND...: the command ends with the status, and what it says has the text.
ends() {
    local expected=$1 text=$2 output status=0
    shift 2
    output=$("$@" 2>&1) || status=$?
    [[ $status == "$expected" ]] || fail "'$*' ends with $status, not $expected: $output"
    grep -F -- "$text" >/dev/null <<<"$output" || fail "'$*' does not say '$text': $output"
    echo "  ok: ${*/#"$scratch"/...} ends with $status: '$text'"
}

build() { "$repository/packaging/azure/build.sh" --binaries="$binaries" "$@"; }

# All at once: one, the same in other circumstances, and another.
build_packages() {
    local job
    local -a jobs=()
    mkdir "$scratch"/{one,same,other}
    export SOURCE_DATE_EPOCH=1700000001
    build --version=1.2.3 --output="$scratch/one" >"$scratch/one.log" 2>&1 &
    jobs+=($!)
    (
        umask 077
        cd /
        TZ=Asia/Tokyo LC_ALL=C build --version 1.2.3 --output "$scratch/same"
    ) >"$scratch/same.log" 2>&1 &
    jobs+=($!)
    build --version=1.2.3.4 --publisher=Example.Networking --heartbeat --output="$scratch/other" \
        >"$scratch/other.log" 2>&1 &
    jobs+=($!)
    for job in "${jobs[@]}"; do wait "$job" || fail "the package could not be built: $(cat "$scratch"/*.log)"; done
    package=$scratch/one/Community.L4LB-1.2.3.zip
    [[ $(tail -n 1 "$scratch/one.log") == "$package" ]] || fail "build.sh does not say where the package is"
    cmp "$package" "$scratch/same/Community.L4LB-1.2.3.zip"
    echo "  ok: the package is the same each time, $(stat -c %s "$package") bytes"
}

# contents PACKAGE NAME VERSION HEARTBEAT: the manifest and the files, as waagent takes them.
contents() {
    /usr/bin/python3 - "$@" <<'END'
import json, re, stat, sys, zipfile

path, name, version, heartbeat = sys.argv[1:]
package = zipfile.ZipFile(path)
files = {entry.filename: entry for entry in package.infolist()}
expected = """HandlerManifest.json LICENSE THIRD-PARTY-LICENSES VERSION bin/l4lb bin/l4lb-azure-handler bin/start
    lib/l4lb/objects/manifest.json lib/libmnl.so.0 settings.schema.json unit/l4lb.service""".split()
found = [file for file in files if not re.fullmatch(r"lib/l4lb/objects/\d+\.o", file)]
assert found == expected, found
assert list(files) == sorted(files), "not in the order of the names"
objects = json.loads(package.read("lib/l4lb/objects/manifest.json"))["objects"]
assert objects and {f"lib/l4lb/objects/{entry['name']}" for entry in objects} == files.keys() - set(expected)
for file, entry in files.items():
    assert stat.S_ISREG(entry.external_attr >> 16), f"{file} is no plain file"
    assert entry.date_time == (2023, 11, 14, 22, 13, 22), f"{file} is of {entry.date_time}"
assert package.read("VERSION") == f"{version}\n".encode()
[entry] = json.loads(package.read("HandlerManifest.json"))
assert entry["name"] == name and re.fullmatch(r"[^-]+", name), entry["name"]
commands = {f"{command}Command": f"bin/start {command}"
            for command in "install enable disable update uninstall reset".split()}
assert entry["handlerManifest"] == {
    **commands, "updateMode": "UpdateWithoutInstall", "continueOnUpdateFailure": True, "rebootAfterInstall": False,
    "supportsMultipleExtensions": False, "reportHeartbeat": heartbeat == "true"}, entry
print(f"  ok: {name} {version} has {len(files)} files and its manifest")
END
}

# Every file is executable then, as waagent makes it.
unpack() {
    folder=$scratch/waagent/Community.L4LB-1.2.3
    mkdir -p "$folder"
    /usr/bin/python3 -m zipfile -e "$package" "$folder"
    find "$folder" -type f -exec chmod 0744 {} +
}

unit() {
    local said
    grep -qx 'ExecStart=/opt/l4lb/current/bin/l4lb agent --no-repl --config=/etc/l4lb/l4lb.json@FLAGS@' \
        "$folder/unit/l4lb.service" || fail "the unit does not start the agent as it should"
    if command -v systemd-analyze >/dev/null; then
        sed "s|@FLAGS@| --listen=127.0.0.1:9100|; s|/opt/l4lb/current|$folder|" "$folder/unit/l4lb.service" \
            >"$scratch/l4lb.service"
        # It speaks of the host's other units too.
        said=$(systemd-analyze verify "$scratch/l4lb.service" 2>&1 | grep l4lb) || true
        [[ -z $said ]] || fail "systemd-analyze is not content: $said"
    fi
    # A copy in which the Debian package's unit has changed.
    mkdir -p "$scratch/copy/packaging"
    cp -r "$repository"/packaging/{azure,systemd} "$scratch/copy/packaging"
    sed -i 's|--config=/etc/l4lb/l4lb.yaml|& --flow-table-size=1024|' "$scratch/copy/packaging/systemd/l4lb.service"
    ends 1 "0 lines 'ExecStart=" "$scratch/copy/packaging/azure/build.sh" --version=1.2.3 --binaries="$binaries" \
        --output="$scratch"
}

# bare COMMAND...: in that system, with a /proc, by which the loader knows where a program lies.
# shellcheck disable=SC2016 # the inner shell's
bare() {
    unshare --mount sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$scratch/bare" "$@"
}

# Where there is no file but the package's, glibc's, and libgcc_s, on which glibc depends to end threads.
bare_system() {
    local root=$scratch/bare library
    mkdir -p "$root/proc"
    cp -r "$folder" "$root/package"
    while read -r library; do install -D "$library" "$root$library"; done < <(
        ldd "$folder/bin/l4lb-azure-handler" | grep -oE '/[^ ]+' | grep -E '/(libc|libm|libgcc_s|ld-linux[^/]*)\.so\.[0-9]'
    )
    ends 0 "l4lb " bare /package/bin/l4lb version
    ends 0 "l4lb-azure-handler" bare /package/bin/l4lb-azure-handler --version
    # Further than that: to what waagent would have written.
    ends 61 "HandlerEnvironment.json is missing" bare /package/bin/l4lb-azure-handler enable
    rm "$root/package/lib/libmnl.so.0"
    ends 127 "libmnl.so.0" bare /package/bin/l4lb version
}

# The command, as waagent runs it.
start() { (cd "$folder" && sh -c "$folder/bin/start $1"); }

# refuses TEXT: start does not hand over to the handler that is there now, which is then as it was.
refuses() {
    ends 52 "$1" start enable
    cp "$binaries/l4lb-azure-handler" "$handler"
    chmod 0744 "$handler"
}

refusals() {
    handler=$folder/bin/l4lb-azure-handler
    ends 0 "l4lb-azure-handler" start --version
    ends 61 "HandlerEnvironment.json is missing" start enable
    sed -i 's/libm\.so\.6/libq.so.6/' "$handler"
    refuses "the library libq.so.6 is missing"
    sed -i 's/GLIBC_2\.35/GLIBC_9.35/' "$handler"
    refuses "it needs glibc 9.35 or newer, this system has glibc "
    # What an ELF file calls a machine that nobody has any more (EM_VAX).
    printf '\x4b' | dd of="$handler" bs=1 seek=18 conv=notrunc status=none
    refuses "not for this machine"
    truncate -s 1M "$handler"
    refuses "Remove the extension and deploy it again"
    chmod a-x "$handler"
    refuses "is not executable"
    rm "$handler"
    refuses "the package has no"
}

wrong_arguments() {
    local version
    for version in 1 1.2 1.2.3.4.5 1.02.3 1.2.x 1.2.3- -1.2.3 1..3 1.2.3.1234567890; do
        ends 1 "is not three or four numbers" build --version="$version" --output="$scratch"
    done
    ends 1 "has a -" build --version=1.2.3 --publisher=Example-Networking --output="$scratch"
    ends 1 "is not letters and digits" build --version=1.2.3 --publisher=Example/.. --output="$scratch"
    ends 1 "has no l4lb" build --version=1.2.3 --binaries="$scratch" --output="$scratch"
    ends 2 "usage:" build --version
    ends 2 "usage:" build
}

main() {
    [[ $# == 1 && -d ${1:-} ]] || { usage >&2 && exit 2; }
    [[ $EUID == 0 ]] || fail "chroot needs root: run with sudo"
    repository=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
    binaries=$(readlink -e "$1")
    scratch=$(mktemp -d)
    trap 'rm -rf -- "$scratch"' EXIT
    wrong_arguments
    build_packages
    contents "$package" Community.L4LB 1.2.3 false
    contents "$scratch/other/Example.Networking.L4LB-1.2.3.4.zip" Example.Networking.L4LB 1.2.3.4 true
    unpack
    unit
    bare_system
    refusals
    echo "the package is right"
}

main "$@"
