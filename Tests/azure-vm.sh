#!/usr/bin/env bash
# The VM extension's commands in the orders in which the agent of Azure gives them, in a machine with a real systemd
# among the demo's hosts, while clients ask. Nothing of it stays.
set -euo pipefail

usage() { echo "usage: sudo Tests/azure-vm.sh PACKAGE-1.0.0.zip PACKAGE-1.1.0.zip"; }

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
PREFIX=azure
# shellcheck source-path=SCRIPTDIR source=../demo/topology.sh
source "$here/../demo/topology.sh"
# shellcheck source-path=SCRIPTDIR source=azure-agent.sh
source "$here/azure-agent.sh"
# shellcheck source-path=SCRIPTDIR source=traffic.sh
source "$here/traffic.sh"
# shellcheck source-path=SCRIPTDIR source=azure-secrets.sh
source "$here/azure-secrets.sh"

vm_pid=''
azure_output=''

fail() {
    echo "error: $1" >&2
    if [[ -n $azure_output ]]; then printf 'the last command said:\n%s\n' "$azure_output" >&2; fi
    if [[ -n $vm_pid ]]; then in_vm journalctl --no-pager --lines=40 >&2 || true; fi
    exit 1
}

# ends CODE COMMAND...: one of the agent's orders ends so.
ends() {
    local wanted=$1 status=0
    shift
    "$@" || status=$?
    [[ $status == "$wanted" ]] || fail "'$*' ended with $status, not $wanted"
}

# reports VERSION KIND CODE TEXT: the status file of the sequence number is as the agent takes it, and says so.
reports() {
    local file
    file=$(azure_folder "$1")/status/$azure_sequence.status
    [[ -f $file ]] || fail "there is no status for $azure_sequence"
    [[ $(head -c 1 "$file") == '[' && $(stat -c %s "$file") -le 131072 ]] || fail "the status is no array of 128 KiB"
    jq -e --arg kind "$2" --argjson code "$3" --arg text "$4" '
        def kinds: ["transitioning", "error", "success", "warning"];
        def message: (.lang | type) == "string" and (.message | type == "string" and utf8bytelength <= 1024);
        def time: test("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$");
        length == 1 and (.[0] | .version == "1.0" and (.timestampUTC | time) and (.status |
            (.name | length > 0) and (.operation | length > 0) and (.formattedMessage | message) and
            (.configurationAppliedTime | time) and (.code == $code) and (.status == $kind) and
            (.formattedMessage.message | contains($text)) and
            all(.substatus[]; (.name | length > 0) and (.code | type == "number") and (.formattedMessage | message) and
                (.status as $status | kinds | index($status) != null))))' "$file" >/dev/null ||
        fail "the status is not $2, code $3, '$4': $(cat "$file")"
    [[ -z $(find "$(dirname "$file")" ! -name '*.status' -type f) ]] || fail "more than status files in the status folder"
    ok "status $azure_sequence is $2: $(jq -r '.[0].status.formattedMessage.message' "$file")"
}

agent_pid() { in_vm systemctl show --property=MainPID --value l4lb; }
is_active() { in_vm systemctl --quiet is-active l4lb; }
is_balanced() { in_host lb ip -d link show eth0 | grep prog/xdp >/dev/null; }
version_is() { [[ $(readlink "$vm_disk/opt/l4lb/current") == "$1" ]] || fail "the product is not $1"; }

# settings MEMBERS BACKEND...: public settings with one service, and more members.
settings() {
    printf '%s\n' "${@:2}" | jq -Rc --null-input --argjson members "$1" --arg frontend "$VIP:80" \
        '{version: 1, services: [{frontend: $frontend, backends: [inputs | {backend: .}]}]} + $members'
}

# The API by TLS, as a client of the certificate authority.
ask_api() {
    in_vm curl -fsS --max-time 5 --cacert /root/ca.pem --cert /root/client.pem --key /root/client.key "https://127.0.0.1:9870$1"
}

# entry_is VERSION NAME KIND TEXT: what the status says of one thing.
entry_is() {
    jq -e --arg name "$2" --arg kind "$3" --arg text "$4" '.[0].status.substatus | any(.[]; (.name | contains($name)) and
        .status == $kind and (.formattedMessage.message | contains($text)))' \
        "$(azure_folder "$1")/status/$azure_sequence.status" >/dev/null
}

# beats VERSION STATUS TEXT: the heartbeat is fresh and says so.
beats() {
    local file
    file=$(azure_folder "$1")/heartbeat.log
    [[ $(find "$file" -mmin -2 2>/dev/null) ]] &&
        jq -e --arg status "$2" --arg text "$3" 'length == 1 and (.[0] | .version == 1 and (.heartbeat | .status == $status and
            (.code | type == "number") and .formattedMessage.lang == "en-US" and
            (.formattedMessage.message | contains($text))))' "$file" >/dev/null
}

# repackage ZIP VERSION NEW [FILE [heartbeat]]: the package with another version, with a product that is FILE, and with a
# heartbeat.
repackage() {
    local folder=$VM_SCRATCH/tmp/package
    mkdir "$folder"
    unzip -q "$1" -d "$folder"
    echo "$2" >"$folder/VERSION"
    if [[ -n ${4:-} ]]; then cp "$4" "$folder/bin/l4lb"; fi
    if [[ -n ${5:-} ]]; then sed -i 's/"reportHeartbeat": false/"reportHeartbeat": true/' "$folder/HandlerManifest.json"; fi
    (cd "$folder" && zip -q -r -0 "$3" .)
    rm -r "$folder"
}

nothing_is_left() {
    local left
    left=$(vm_changed_files | grep -v -E '^\./(var/log/azure|var/lib/waagent)(/|$)' | LC_ALL=C comm -13 "$VM_SCRATCH/before" -)
    [[ -z $left ]] || fail "left on the disk: $left"
    left=$(in_vm sh -c 'ls -d /sys/fs/bpf/l4lb /run/l4lb* /run/systemd/*/*l4lb* 2>/dev/null; pgrep --list-full "^l4lb"') || true
    [[ -z $left ]] || fail "left in the machine: $left"
    left=$(in_vm systemctl list-units --all --no-legend --no-pager 'l4lb*')
    [[ -z $left ]] || fail "systemd still knows $left"
    ! is_balanced || fail "a program is left on eth0"
    [[ -z $(in_host lb tc qdisc show dev eth0 clsact) ]] || fail "a qdisc is left on eth0"
    left=$(in_host lb ip neighbour show | grep managed) || true
    [[ -z $left ]] || fail "a neighbour is left: $left"
    ok "nothing is left but the log"
}

play() {
    local one=$1 two=$2 folder=$VM_SCRATCH/tmp agent
    topology_up
    ip -n "$PREFIX-lb" route add default via "$CLIENT"
    vm_boot "$PREFIX-lb"
    # As an image for VMs is: no compiler, and no library that the package has to bring.
    rm -f "$vm_disk"/usr/bin/{clang*,swift*} "$vm_disk"/usr/lib/*-linux-gnu/lib{bpf,mnl,elf,edit,bsd}.so*
    make_secrets "$folder/certificates"
    cp "$folder"/certificates/{ca.pem,client.pem,client.key} "$vm_disk/root"
    azure_certificate
    vm_changed_files >"$VM_SCRATCH/before"

    echo "- installed and enabled"
    azure_unpack "$one"
    azure_settings 1.0.0 0 "$(settings '{}' 20.1.1.10:80 20.1.1.20:80)"
    ends 0 azure_install 1.0.0
    ! is_active || fail "install has started the service"
    ends 0 azure_install 1.0.0
    ends 0 azure_enable 1.0.0
    reports 1.0.0 success 0 ""
    in_vm systemctl --quiet is-enabled l4lb || fail "the service would not start at a boot"
    traffic_start "$folder/traffic" "http://$VIP/" in_host client
    traffic_passes "enabled"

    echo "- the same settings again"
    agent=$(agent_pid)
    ends 0 azure_enable 1.0.0
    reports 1.0.0 success 0 ""
    [[ $(agent_pid) == "$agent" ]] || fail "the agent was started anew for nothing"
    traffic_passes "enabled again"

    echo "- another backend"
    azure_settings 1.0.0 1 "$(settings '{}' 20.1.1.10:80 20.1.1.30:80)"
    ends 0 azure_enable 1.0.0
    reports 1.0.0 success 0 ""
    [[ $(agent_pid) == "$agent" ]] || fail "the agent was started anew for a backend"
    traffic_passes "with another backend"

    echo "- a backend that dies, of another service"
    azure_settings 1.0.0 4 "$(settings '{"defaults": {"health_check": {"type": "tcp", "interval_seconds": 1, "fall": 1}}}' \
        20.1.1.10:80 20.1.1.30:80 | jq -c --arg frontend "$VIP:81" \
        '.services += [{frontend: $frontend, id: 7, backends: [{backend: "20.1.1.40:80"}]}]')"
    ends 0 azure_enable 1.0.0
    entry_is 1.0.0 "data plane" success "native XDP" || fail "the status does not tell of the data plane"
    within 30 "its service is well" entry_is 1.0.0 "service 7 $VIP:81/tcp" success "1 of 1 backends"
    in_host b4 ip link set eth0 down
    within 30 "the status tells of it" entry_is 1.0.0 "service 7 $VIP:81/tcp" warning "20.1.1.40:80 is down"
    entry_is 1.0.0 "service 1 $VIP:80/tcp" success "2 of 2 backends" || fail "the other service is not well"
    in_host b4 ip link set eth0 up
    within 30 "and that it is back" entry_is 1.0.0 "service 7 $VIP:81/tcp" success "1 of 1 backends"
    traffic_passes "with a backend of another service down"

    echo "- settings that are wrong"
    azure_settings 1.0.0 9 "$(settings '{}' 20.1.1.300:80)"
    ends 0 azure_enable 1.0.0
    reports 1.0.0 error 53 "publicSettings.services[0].backends[0].backend"
    traffic_passes "with a wrong backend"
    azure_settings 1.0.0 2 "$(settings '{"agent": {"devices": ["eth9"]}}' 20.1.1.10:80)"
    ends 0 azure_enable 1.0.0
    reports 1.0.0 error 53 "publicSettings.agent.devices: this VM has no network interface named eth9"
    is_active || fail "the agent is gone"
    traffic_passes "with a device that is not there"

    # The agent alone finds out, when it starts.
    azure_settings 1.0.0 5 "$(settings '{"agent": {"snat_addresses": ["20.1.1.77"]}}' 20.1.1.10:80)"
    ends 0 azure_enable 1.0.0
    reports 1.0.0 error 53 "publicSettings.agent.snat_addresses: 20.1.1.77 is not an address of this host"
    is_active || fail "the agent was not put back"
    traffic_passes "with options that an agent ends for"
    in_vm systemctl stop l4lb
    ends 53 azure_enable 1.0.0
    reports 1.0.0 error 53 "publicSettings.agent.snat_addresses: 20.1.1.77 is not an address of this host"
    ! is_active || fail "an agent is at work with wrong options"
    is_balanced || fail "balancing without an agent was ended"
    traffic_passes "with such options, and no agent before"
    azure_settings 1.0.0 6 "$(settings '{}' 20.1.1.10:80 20.1.1.30:80)"
    ends 0 azure_enable 1.0.0
    reports 1.0.0 success 0 ""
    traffic_passes "with the right ones again"

    echo "- the API, by protected settings"
    azure_settings 1.0.0 3 "$(settings '{"api": {"listen": "127.0.0.1:9870"}}' 20.1.1.10:80 20.1.1.30:80)" \
        "$(<"$folder/certificates/secrets.json")"
    ends 0 azure_enable 1.0.0
    reports 1.0.0 success 0 ""
    ask_api /v1/services | jq -e '.services | length == 1' >/dev/null || fail "the API does not answer by TLS"
    [[ $(in_vm stat -c '%a %U' /etc/l4lb/tls/key.pem) == "600 root" ]] || fail "others may read the key"
    traffic_passes "with the API"

    ! grep -rqF "$(sed -n 5p "$folder/certificates/server.key")" "$vm_disk"/var/{log,lib/waagent} ||
        fail "the key is in a log or a status"
    sed -i "s/$azure_thumbprint/${azure_thumbprint//[0-9]/0}/" "$(azure_folder 1.0.0)/config/3.settings"
    ends 0 azure_enable 1.0.0
    reports 1.0.0 error 54 "${azure_thumbprint//[0-9]/0}"
    traffic_passes "without the certificate's key"

    echo "- killed"
    agent=$(agent_pid)
    in_vm kill -KILL "$agent"
    sleep 3
    is_active || fail "the agent does not come back"
    traffic_passes "killed"

    echo "- a version that does not come up"
    # shellcheck disable=SC2016 # the script's
    printf '#!/bin/sh\nif [ "$1" = version ]; then exit; fi\necho "error: made to fail" >&2\nexit 1\n' >"$folder/broken"
    repackage "$two" 1.0.7 "$folder/broken.zip" "$folder/broken"
    azure_unpack "$folder/broken.zip"
    azure_settings 1.0.7 4 "$(settings '{}' 20.1.1.10:80 20.1.1.30:80)"
    ends 58 azure_update 1.0.0 1.0.7
    version_is 1.0.0
    is_active || fail "the old agent was not put back"
    traffic_passes "rolled back"
    azure_settings 1.0.0 5 "$(settings '{}' 20.1.1.10:80 20.1.1.30:80)"
    ends 0 azure_enable 1.0.0
    reports 1.0.0 success 0 ""
    rm -r "$(azure_folder 1.0.7)"
    traffic_passes "the old version again"

    echo "- another version of the handler alone"
    agent=$(agent_pid)
    repackage "$one" 1.0.0.1 "$folder/handler.zip" '' heartbeat
    azure_unpack "$folder/handler.zip"
    azure_settings 1.0.0.1 6 "$(settings '{}' 20.1.1.10:80 20.1.1.30:80)"
    ends 0 azure_update 1.0.0 1.0.0.1
    reports 1.0.0.1 success 0 ""
    [[ $(agent_pid) == "$agent" ]] || fail "the agent was started anew for a handler"
    beats 1.0.0.1 Ready "1 service" || fail "enable has not beaten: $(cat "$(azure_folder 1.0.0.1)/heartbeat.log")"
    rm "$(azure_folder 1.0.0.1)/heartbeat.log"
    within 75 "the heart beats on" beats 1.0.0.1 Ready "1 service"
    traffic_passes "with another handler"

    echo "- a version that the owner of the machine does not want"
    azure_unpack "$two"
    azure_settings 1.1.0 6 "$(settings '{}' 20.1.1.10:80 20.1.1.30:80)"
    in_vm touch /etc/l4lb/no-extension-update
    ends 56 azure_update 1.0.0.1 1.1.0
    version_is 1.0.0
    in_vm rm /etc/l4lb/no-extension-update
    traffic_passes "forbidden"

    echo "- updated"
    ends 0 azure_update 1.0.0.1 1.1.0
    version_is 1.1.0
    reports 1.1.0 success 0 ""
    [[ $(in_vm readlink "/proc/$(agent_pid)/exe") == /opt/l4lb/1.1.0/bin/l4lb ]] || fail "the old agent is at work"
    traffic_passes "updated"

    echo "- downgraded"
    azure_unpack "$one"
    azure_settings 1.0.0 7 "$(settings '{}' 20.1.1.10:80 20.1.1.30:80)"
    ends 0 azure_downgrade 1.1.0 1.0.0
    version_is 1.0.0
    reports 1.0.0 success 0 ""
    traffic_passes "downgraded"
    traffic_stop

    echo "- rebooted"
    vm_shutdown
    vm_boot "$PREFIX-lb"
    sleep 2
    in_host client curl -fsS --max-time 5 "http://$VIP/" >/dev/null || fail "nothing is balanced after a reboot"
    ends 0 azure_enable 1.0.0
    reports 1.0.0 success 0 ""

    echo "- disabled, enabled without settings"
    ends 0 azure_disable 1.0.0
    ! is_active || fail "the agent is still there"
    ! is_balanced || fail "packets are still balanced"
    azure_settings 1.0.0 8 null
    ends 0 azure_enable 1.0.0
    is_balanced || fail "nothing is balanced"

    echo "- reset"
    ends 0 azure_run reset 1.0.0
    [[ -z $(ls "$(azure_folder 1.0.0)/status") ]] || fail "a status is left"
    azure_settings 1.0.0 9 "$(settings '{}' 20.1.1.10:80)"
    ends 0 azure_enable 1.0.0
    reports 1.0.0 success 0 ""
    in_host client curl -fsS --max-time 5 "http://$VIP/" >/dev/null || fail "nothing is balanced after a reset"

    echo "- removed"
    ends 0 azure_uninstall 1.0.0
    nothing_is_left
}

main() {
    case ${1:-} in
        play) play "$2" "$3" ;;
        *.zip)
            [[ $EUID == 0 && $# == 2 ]] || fail "two packages are needed, and root"
            vm_world bash "${BASH_SOURCE[0]}" play "$(readlink -f "$1")" "$(readlink -f "$2")"
            ;;
        *) usage >&2 && exit 2 ;;
    esac
}

main "$@"
