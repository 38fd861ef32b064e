#!/usr/bin/env bash
# Makes the package of the Azure VM extension for this machine's architecture: a
# zip that waagent unpacks, without symbolic links, and none of whose files needs
# the mode that the zip has for it. Needs no root.
set -euo pipefail

usage() {
    echo "usage: packaging/azure/build.sh --version=X.Y.Z[.B] [--publisher=NAME] [--heartbeat]"
    echo "           [--binaries=DIR] [--output=DIR]"
    echo "  --version    the product's, and as fourth number the handler's own"
    echo "  --publisher  the extension is NAME.L4LB (default: Community)"
    echo "  --heartbeat  waagent looks at the handler's heartbeat too"
    echo "  --binaries   the folder that packaging/azure/link.sh has filled (default: it is run)"
    echo "  --output     where the package goes (default: the current folder)"
    echo "environment: SOURCE_DATE_EPOCH, for a package that is the same each time"
}

fail() {
    echo "error: $1" >&2
    exit 1
}

# put MODE FILE TARGET: below the package's root.
put() { install -D -m "$1" "$2" "$root/$3"; }

manifest() {
    cat <<END
[
  {
    "name": "$publisher.L4LB",
    "version": 1.0,
    "handlerManifest": {
      "installCommand": "bin/start install",
      "enableCommand": "bin/start enable",
      "disableCommand": "bin/start disable",
      "updateCommand": "bin/start update",
      "uninstallCommand": "bin/start uninstall",
      "resetCommand": "bin/start reset",
      "updateMode": "UpdateWithoutInstall",
      "continueOnUpdateFailure": true,
      "supportsMultipleExtensions": false,
      "rebootAfterInstall": false,
      "reportHeartbeat": $heartbeat
    }
  }
]
END
}

# edit LINE [NEW]: the one line of the unit that is LINE becomes NEW, or goes.
edit() {
    local -a lines
    mapfile -t lines < <(grep -nxF -e "$1" "$unit")
    [[ ${#lines[@]} == 1 ]] ||
        fail "packaging/systemd/l4lb.service has ${#lines[@]} lines '$1', not one: mend packaging/azure/build.sh"
    if [[ $# == 2 ]]; then
        sed -i "${lines[0]%%:*}c\\$2" "$unit"
    else
        sed -i "${lines[0]%%:*}d" "$unit"
    fi
}

# The unit as an extension has it: of the programs that "current" names, and always
# with a configuration, which the handler writes. The handler puts more flags in the
# place of @FLAGS@.
make_unit() {
    unit=$root/unit/l4lb.service
    put 0644 "$repository/packaging/systemd/l4lb.service" unit/l4lb.service
    edit "Documentation=man:l4lb(8) man:l4lb-agent(8)"
    edit "# Skipped, not failed, until the file names a device."
    edit "ExecCondition=/bin/grep -Eqs '^[^#]*devices:' /etc/l4lb/l4lb.yaml"
    edit "ExecStart=/usr/bin/l4lb agent --no-repl --config=/etc/l4lb/l4lb.yaml" \
        "ExecStart=/opt/l4lb/current/bin/l4lb agent --no-repl --config=/etc/l4lb/l4lb.json@FLAGS@"
    # The handler asks the agent itself whether packets are balanced, and so learns at once of one that has ended.
    edit "# READY when packets are balanced. systemd from 253 on knows Type=notify-reload too, which the agent also answers."
    edit "Type=notify" "Type=exec\\nNotifyAccess=main"
    edit "# Whoever is in this group may use the socket. As the process's own it can be given without CAP_CHOWN."
    edit "Group=l4lb"
    ! grep -nE '/usr/|l4lb\.yaml|^Group|^ExecCondition' "$unit" >&2 ||
        fail "packaging/systemd/l4lb.service has more that is the Debian package's: mend packaging/azure/build.sh"
}

fill() {
    local file own
    mkdir -p "$root"
    manifest >"$root/HandlerManifest.json"
    echo "$version" >"$root/VERSION"
    make_unit
    put 0755 "$here/start" bin/start
    for file in l4lb l4lb-azure-handler; do put 0755 "$binaries/$file" "bin/$file"; done
    put 0644 "$binaries/libmnl.so.0" lib/libmnl.so.0
    # In its place already, so that the package's libmnl is the one that it finds. Where clang finds bpf/ from the
    # folder that it is run in, the objects have the sources' lines, and where not they have not.
    (cd / && "$root/bin/l4lb" objects --output "$root/lib/l4lb/objects")
    put 0644 "$here/settings.schema.json" settings.schema.json
    put 0644 "$repository/LICENSE" LICENSE
    put 0644 "$binaries/THIRD-PARTY-LICENSES" THIRD-PARTY-LICENSES
    own=$("$root/bin/l4lb" version | cut -d ' ' -f 2)
    [[ $version == "$own" || $version == "$own".* ]] || echo "note: bin/l4lb calls itself $own"
}

# In the order of their names, all of one time.
pack() {
    local links
    links=$(find "$root" -type l)
    [[ -z $links ]] || fail "a package cannot have symbolic links: $links"
    find "$root" -type f -exec env TZ=UTC touch -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}" {} +
    (cd "$root" && find . -type f -printf '%P\n' | LC_ALL=C sort | TZ=UTC zip -q -X -D -@ "$scratch/package.zip")
}

main() {
    local output=$PWD package file
    binaries='' heartbeat=false publisher=Community version=''
    while [[ $# != 0 ]]; do
        case $1 in
            --version | --publisher | --binaries | --output)
                [[ $# != 1 ]] || { usage >&2 && exit 2; }
                set -- "$1=$2" "${@:3}"
                continue
                ;;
            --version=*) version=${1#*=} ;;
            --publisher=*) publisher=${1#*=} ;;
            --heartbeat) heartbeat=true ;;
            --binaries=*) binaries=${1#*=} ;;
            --output=*) output=${1#*=} ;;
            -h | --help) usage && exit 0 ;;
            *) usage >&2 && exit 2 ;;
        esac
        shift
    done
    here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
    repository=$(cd -- "$here/../.." && pwd)
    [[ -n $version ]] || { usage >&2 && exit 2; }
    [[ $version =~ ^(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){2,3}$ ]] ||
        fail "--version: '$version' is not three or four numbers without leading zeros, such as 1.2.0 or 1.2.0.1"
    [[ $publisher != *-* ]] || fail "--publisher: '$publisher' has a -, at which waagent takes names apart"
    [[ $publisher =~ ^[A-Za-z0-9]+(\.[A-Za-z0-9]+)*$ ]] ||
        fail "--publisher: '$publisher' is not letters and digits, with single dots between, such as Example.Networking"
    command -v zip >/dev/null || fail "zip is missing: install Debian's zip"
    [[ -d $output ]] || fail "--output: $output is no folder"
    umask 022
    scratch=$(mktemp -d)
    trap 'rm -rf -- "$scratch"' EXIT
    root=$scratch/root
    if [[ -z $binaries ]]; then
        binaries=$scratch/binaries
        mkdir "$binaries"
        "$here/link.sh" --output="$binaries" >&2
    fi
    for file in l4lb l4lb-azure-handler libmnl.so.0 THIRD-PARTY-LICENSES; do
        [[ -f $binaries/$file ]] || fail "--binaries: $binaries has no $file: packaging/azure/link.sh fills such a folder"
    done
    fill >&2
    pack >&2
    package=$output/$publisher.L4LB-$version.zip
    mv -- "$scratch/package.zip" "$package"
    echo "$package"
}

main "$@"
