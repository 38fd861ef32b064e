#!/usr/bin/env bash
# Makes a Debian package of l4lb for this machine's architecture: the binary with
# Swift's libraries in it, packet programs for hosts without a clang, the unit,
# manual pages, completion for bash, zsh and fish. Needs no root.
set -euo pipefail

usage() {
    echo "usage: packaging/build-deb.sh [--version=VERSION] [--binary=FILE] [--output=DIR]"
    echo "  --version  of the package (default: the binary's)"
    echo "  --binary   one that is built already (default: swift build -c release --static-swift-stdlib)"
    echo "  --output   where the package goes (default: the current folder)"
    echo "environment: SOURCE_DATE_EPOCH, for a package that is the same each time"
}

fail() {
    echo "error: $1" >&2
    exit 1
}

build_binary() {
    local build=(swift build -c release --product l4lb --static-swift-stdlib --package-path "$repository")
    command -v swift >/dev/null || fail "no swift found: https://www.swift.org/install/linux"
    "${build[@]}" >&2 || fail "l4lb could not be built"
    echo "$("${build[@]}" --show-bin-path)/l4lb"
}

# put MODE FILE TARGET: below the package's root.
put() { install -D -m "$1" "$2" "$root/$3"; }

install_files() {
    local shell file
    put 0755 "$binary" usr/bin/l4lb
    strip --strip-unneeded "$root/usr/bin/l4lb"
    "$binary" objects --output "$root/usr/lib/l4lb/objects"
    put 0644 "$here/l4lb.yaml" etc/l4lb/l4lb.yaml
    put 0644 "$here/systemd/l4lb.service" lib/systemd/system/l4lb.service
    "$binary" manual --output "$root/usr/share/man/man8"
    gzip -9n "$root"/usr/share/man/man8/*
    for shell in bash:bash-completion/completions/l4lb zsh:zsh/vendor-completions/_l4lb \
        fish:fish/vendor_completions.d/l4lb.fish; do
        file=$root/usr/share/${shell#*:}
        mkdir -p "$(dirname "$file")"
        "$binary" --generate-completion-script "${shell%%:*}" >"$file"
    done
    for file in README.md docs/*.md docs/openapi.yaml; do put 0644 "$repository/$file" "usr/share/doc/l4lb/${file##*/}"; done
    put 0644 "$repository/CHANGELOG.md" usr/share/doc/l4lb/changelog
    gzip -9n "$root/usr/share/doc/l4lb/changelog"
    for file in prometheus/l4lb.rules.yml grafana/l4lb.json; do
        put 0644 "$here/$file" "usr/share/doc/l4lb/examples/${file##*/}"
    done
    cat >"$root/usr/share/doc/l4lb/copyright" <<END
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: l4lb

Files: *
Copyright: the l4lb authors
License: Apache-2.0
 On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.

Files: usr/lib/l4lb/objects/*
Copyright: the l4lb authors
License: GPL-2.0-only or BSD-2-Clause
 On Debian systems the text of the former is in /usr/share/common-licenses/GPL-2.
END
}

# The packages whose libraries the binary needs, as dpkg-shlibdeps finds them.
dependencies() {
    local folder
    folder=$(mktemp -d -p "$scratch")
    mkdir "$folder/debian"
    printf 'Source: l4lb\n\nPackage: l4lb\nArchitecture: any\nDescription: l4lb\n' >"$folder/debian/control"
    (cd "$folder" && dpkg-shlibdeps -O "$root/usr/bin/l4lb" 2>"$scratch/shlibdeps.log") ||
        { cat "$scratch/shlibdeps.log" >&2 && fail "dpkg-shlibdeps failed"; }
}

control_files() {
    local depends
    depends=$(dependencies | sed -n 's/^shlibs:Depends=//p')
    [[ -n $depends ]] || fail "no libraries found that the binary needs"
    mkdir "$root/DEBIAN"
    cat >"$root/DEBIAN/control" <<END
Package: l4lb
Version: $version
Architecture: $(dpkg --print-architecture)
Maintainer: ${DEBFULLNAME:-the l4lb authors} <${DEBEMAIL:-l4lb@localhost}>
Section: net
Priority: optional
Depends: $depends, adduser, init-system-helpers
Recommends: clang
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f 1)
Description: XDP layer-4 load balancer
 A standalone load balancer for TCP and UDP in SNAT or DSR mode: an agent that
 compiles its XDP program, attaches it and keeps its maps true to the services
 that it is asked for, by command, by file or by an HTTP API. Packets are
 balanced on while the agent is restarted or upgraded.
 .
 Programs that are compiled already come with it, for hosts without a clang.
END
    echo /etc/l4lb/l4lb.yaml >"$root/DEBIAN/conffiles"
    install -m 0755 -t "$root/DEBIAN" "$here"/debian/{postinst,prerm,postrm}
    (cd "$root" && find etc lib usr -type f -exec md5sum {} + | LC_ALL=C sort -k 2) >"$root/DEBIAN/md5sums"
    chmod 0644 "$root/DEBIAN/md5sums"
}

main() {
    local output=$PWD package
    binary='' version=''
    while [[ $# != 0 ]]; do
        case $1 in
            --version=*) version=${1#*=} ;;
            --binary=*) binary=${1#*=} ;;
            --output=*) output=${1#*=} ;;
            -h | --help) usage && exit 0 ;;
            *) usage >&2 && exit 2 ;;
        esac
        shift
    done
    here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
    repository=$(dirname "$here")
    command -v dpkg-shlibdeps >/dev/null || fail "dpkg-shlibdeps is missing: install dpkg-dev"
    [[ -d $output ]] || fail "--output: $output is no folder"
    [[ -n $binary ]] || binary=$(build_binary)
    [[ -x $binary ]] || fail "--binary: $binary is not a program"
    [[ -n $version ]] || version=$("$binary" version | cut -d ' ' -f 2)
    umask 022
    scratch=$(mktemp -d)
    trap 'rm -rf -- "$scratch"' EXIT
    root=$scratch/root
    mkdir "$root"
    install_files >&2
    control_files
    package=$output/l4lb_${version}_$(dpkg --print-architecture).deb
    dpkg-deb --root-owner-group --build "$root" "$package" >&2
    echo "$package"
}

main "$@"
