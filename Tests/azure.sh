#!/usr/bin/env bash
# The VM extension, from 1.0.0 to 1.1.0: its commands in a machine with a real systemd; and where the harness of the
# agent of Azure is there, under the real agent too. Nothing of it stays.
set -euo pipefail

usage() {
    echo "usage: sudo Tests/azure.sh PACKAGE-1.0.0.zip PACKAGE-1.1.0.zip"
    echo "environment: L4LB_AZURE_HARNESS, the harness's folder (default: ../shared/azure/harness beside the repository)"
}

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=azure-secrets.sh
source "$here/azure-secrets.sh"

# settings BACKEND [MEMBERS]: public settings.
settings() {
    jq -nc --arg backend "$1" --argjson members "${2:-null}" \
        '{version: 1, services: [{frontend: "40.1.1.1:80", backends: [{backend: $backend}]}]} + $members'
}

# The harness's steps with the packages: what the agent reports, and what is left.
harness() {
    make_secrets "$scratch/secrets"
    # What it leaves in the folder of temporary files goes with ours.
    TMPDIR=$scratch "$L4LB_AZURE_HARNESS/run.sh" --zip-v1 "$1" --zip-v2 "$2" --agent debian --no-contract \
        --public "$(settings 10.0.0.1:80)" --public-bad "$(settings 10.0.0.300:80)" \
        --public2 "$(settings 10.0.0.1:80 '{"mode": "dsr", "api": {"listen": "127.0.0.1:9870"}}')" \
        --protected "@$scratch/secrets/secrets.json"
}

main() {
    [[ ${1:-} == *.zip && ${2:-} == *.zip && $# == 2 ]] || { usage >&2 && exit 2; }
    export L4LB_AZURE_HARNESS=${L4LB_AZURE_HARNESS:-$here/../../shared/azure/harness}
    scratch=$(mktemp -d)
    trap 'rm -rf -- "$scratch"' EXIT
    # The agent's Debian package is kept there.
    export HARNESS_CACHE=$scratch/cache
    echo "-- the commands in a machine with a real systemd"
    "$here/azure-vm.sh" "$1" "$2"
    if [[ ! -e $L4LB_AZURE_HARNESS/run.sh ]]; then
        echo "-- under the real agent of Azure: skipped, as its harness is not at $L4LB_AZURE_HARNESS"
        return
    fi
    echo "-- under the real agent of Azure: the harness's steps"
    harness "$1" "$2"
    echo "-- under the real agent of Azure: clients ask meanwhile"
    "$here/azure-traffic.sh" "$1" "$2"
}

main "$@"
