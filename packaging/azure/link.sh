#!/usr/bin/env bash
# Builds the programs of the VM extension, linked so that they start on Debian 12,
# Ubuntu 22.04 and what is newer with no package installed: of shared libraries
# they need only glibc's, libgcc_s, which glibc itself depends on, and libmnl in
# ../lib beside their folder. All but the link is what an ordinary release build
# does, and both share it. Beside them come that libmnl, and the licences of what
# is in them.
set -euo pipefail

usage() {
    echo "usage: packaging/azure/link.sh --output=DIR [--swift=PATH]"
    echo "  --output  where the programs go"
    echo "  --swift   the toolchain's swift (default: the one on PATH)"
}

products=(l4lb l4lb-azure-handler)
# A shared library, and the static ones that take its place. libstdc++'s random_device, which is linked in with its
# strings though nobody calls it, wants arc4random, which glibc has from 2.36 on: libbsd has one too.
static_libraries=("bpf bpf elf z" "z z" "edit edit bsd md tinfo" "stdc++ stdc++ bsd md")
# The newest versions of glibc's and libgcc_s's symbols that Ubuntu 22.04 has.
newest_versions=(GLIBC_2.35 GCC_12.0.0)

fail() {
    echo "error: $1" >&2
    exit 1
}

# The path of a static library.
archive() {
    local found
    found=$(compgen -G "/usr/lib/$architecture-linux-gnu/lib$1.a") ||
        found=$(compgen -G "/usr/lib/gcc/$architecture-linux-gnu/*/lib$1.a" | sort -V | tail -n 1) ||
        fail "lib$1.a is missing: install Debian's libbpf-dev, libelf-dev, libedit-dev and libstdc++-12-dev"
    echo "$found"
}

# A linker script for each of the shared libraries. So that the linker looks there first, the folder is added to what
# pkg-config tells of the libraries whose own folder would come before.
linker_scripts() {
    local libraries names name archives
    for libraries in "${static_libraries[@]}"; do
        read -ra names <<<"$libraries"
        archives=''
        for name in "${names[@]:1}"; do archives+=" $(archive "$name")"; done
        echo "GROUP ($archives )" >"$scripts/lib${names[0]}.so"
    done
    for name in libbpf libmnl; do
        sed "s|^Libs:|& -L$scripts|" "$(pkg-config --variable=pcfiledir "$name")/$name.pc" >"$scripts/$name.pc" ||
            fail "$name.pc is missing: install Debian's $name-dev"
    done
}

build() {
    local product build
    for product in "${products[@]}"; do
        # shellcheck disable=SC2016 # $ORIGIN is the loader's
        build=("$swift" build -c release --product "$product" --static-swift-stdlib --package-path "$repository"
            --pkg-config-path "$scripts" -Xlinker "-L$scripts" --disable-local-rpath -Xlinker -rpath -Xlinker '$ORIGIN/../lib')
        "${build[@]}" >&2 || fail "$product could not be built"
        install -m 0755 "$("${build[@]}" --show-bin-path)/$product" "$output/$product"
        strip --strip-unneeded "$output/$product"
    done
}

# The licences of Debian's libraries and of the Swift packages.
licences() {
    local libraries name file package
    local -a files=("$mnl")
    for libraries in "${static_libraries[@]}"; do
        for name in ${libraries#* }; do files+=("$(archive "$name")"); done
    done
    for package in $(dpkg-query --search "${files[@]}" | sed 's/:.*//' | sort -u); do
        printf '\n==== %s, of Debian\n\n' "$package"
        cat "/usr/share/doc/$package/copyright"
    done
    for file in "$repository"/.build/checkouts/*/{LICENSE,NOTICE}*; do
        name=${file%/*}
        printf '\n==== %s: %s\n\n' "${name##*/}" "${file##*/}"
        cat "$file"
    done
}

# check FILE: that it needs nothing which a minimal system lacks.
check() {
    local file=$1 needed limit newest
    needed=$(readelf -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
        grep -vE '^(lib(c|m|dl|pthread|rt)\.so\.[0-9]|libgcc_s\.so\.1|libmnl\.so\.0|ld-linux-.*\.so\.[0-9])$') || true
    [[ -z $needed ]] || fail "${file##*/} needs ${needed//$'\n'/, }: link it statically (packaging/azure/link.sh)"
    echo -n "${file##*/}: $(stat -c %s "$file") bytes" >&2
    for limit in "${newest_versions[@]}"; do
        newest=$(readelf -V -W "$file" | { grep -oE "Name: ${limit%_*}_[0-9.]+" || true; } | sort -uV | tail -n 1)
        newest=${newest#Name: }
        [[ $(printf '%s\n' "$newest" "$limit" | sort -V | tail -n 1) == "$limit" ]] ||
            fail "${file##*/} needs $newest, and $limit is the newest that it may: $(objdump -T "$file" | grep -F "$newest")"
        echo -n ", ${newest:-no ${limit%_*}}" >&2
    done
    echo >&2
}

main() {
    local product
    output='' swift=''
    while [[ $# != 0 ]]; do
        case $1 in
            --output=*) output=${1#*=} ;;
            --swift=*) swift=${1#*=} ;;
            -h | --help) usage && exit 0 ;;
            *) usage >&2 && exit 2 ;;
        esac
        shift
    done
    repository=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
    architecture=$(uname -m)
    [[ -d $output ]] || fail "--output: $output is no folder"
    swift=$(command -v "${swift:-swift}") || fail "no swift found: https://www.swift.org/install/linux"
    command -v readelf >/dev/null || fail "readelf is missing: install binutils"
    mnl=$(readlink -e "/usr/lib/$architecture-linux-gnu/libmnl.so.0") || fail "libmnl.so.0 is missing: install Debian's libmnl-dev"
    scripts=$(mktemp -d)
    trap 'rm -rf -- "$scripts"' EXIT
    linker_scripts
    build
    install -m 0644 "$mnl" "$output/libmnl.so.0"
    licences >"$output/THIRD-PARTY-LICENSES"
    for product in "${products[@]}" libmnl.so.0; do check "$output/$product"; done
}

main "$@"
