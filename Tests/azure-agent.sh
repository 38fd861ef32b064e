#!/usr/bin/env bash
# What the agent of Azure does with an extension's package, as far as the package sees it: the folders, the files, the
# environment and the order of the commands. To be sourced; commands run in the machine of vm.sh as on Ubuntu, in a
# scope of systemd's.
#
#   azure_unpack ZIP                  the package, ready for its first command
#   azure_settings VERSION SEQ PUBLIC [PROTECTED]
#   azure_run OPERATION VERSION [VARIABLE=VALUE...]
#   azure_install VERSION, azure_enable VERSION, azure_disable VERSION, azure_update OLD NEW, azure_downgrade OLD NEW,
#   azure_uninstall VERSION           in the agent's order; the status of the first command that fails
#   $azure_output                     what the last command said

# shellcheck source-path=SCRIPTDIR source=vm.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/vm.sh"

azure_library=/var/lib/waagent
azure_name=Community.L4LB
azure_sequence=0
azure_thumbprint=''

# Where the package is: in the machine, and on its disk.
azure_home() { echo "$azure_library/$azure_name-$1"; }
azure_folder() { echo "$vm_disk$(azure_home "$1")"; }
azure_state() { printf %s "$2" >"$(azure_folder "$1")/config/HandlerState"; }

# Modes and links of a zip are lost; the agent makes all files executable for root.
azure_unpack() {
    local zip=$1 version home folder
    version=$(unzip -p "$zip" VERSION)
    home=$(azure_home "$version") folder=$(azure_folder "$version")
    mkdir -p "$folder"
    unzip -q -o "$zip" -d "$folder"
    find "$folder" -type f -exec chmod 0744 {} +
    find "$folder" -type d -exec chmod 0755 {} +
    install -d -m 0700 "$folder"/{config,status}
    install -d -m 0755 "$vm_disk/var/log/azure/$azure_name"
    install -d -m 0700 "$vm_disk/var/log/azure/$azure_name/events"
    azure_state "$version" NotInstalled
    jq -n --arg name "$azure_name" --arg home "$home" --arg log "/var/log/azure/$azure_name" '[{name: $name,
        version: 1.0, handlerEnvironment: {logFolder: $log, configFolder: "\($home)/config",
        statusFolder: "\($home)/status", heartbeatFile: "\($home)/heartbeat.log", eventsFolder: "\($log)/events",
        eventsFolder_preview: "\($log)/events"}}]' >"$folder/HandlerEnvironment.json"
}

# The key pair that protected settings are encrypted for.
azure_certificate() {
    local folder=$vm_disk$azure_library
    install -d -m 0700 "$folder"
    openssl req -x509 -nodes -newkey rsa:2048 -days 2 -subj '/CN=tenant' -keyout "$folder/new.prv" \
        -out "$folder/new.crt" 2>/dev/null
    azure_thumbprint=$(openssl x509 -in "$folder/new.crt" -noout -fingerprint -sha1 | sed 's/.*=//; s/://g')
    mv "$folder/new.prv" "$folder/$azure_thumbprint.prv"
    mv "$folder/new.crt" "$folder/$azure_thumbprint.crt"
}

azure_settings() {
    local version=$1 public=$3 protected=null
    azure_sequence=$2
    if [[ -n ${4:-} ]]; then
        protected=$(openssl cms -encrypt -binary -outform DER -aes256 "$vm_disk$azure_library/$azure_thumbprint.crt" \
            <<<"$4" | base64 -w 0 | jq -R .)
    fi
    jq -n --argjson public "$public" --argjson protected "$protected" --arg thumbprint "$azure_thumbprint" \
        '{runtimeSettings: [{handlerSettings: {publicSettings: $public, protectedSettings: $protected,
        protectedSettingsCertThumbprint: (if $protected then $thumbprint else null end)}}]}' \
        >"$(azure_folder "$version")/config/$azure_sequence.settings"
}

azure_run() {
    local operation=$1 version=$2 home command status=0
    home=$(azure_home "$version")
    command=$(jq -er ".[0].handlerManifest.${operation}Command" "$(azure_folder "$version")/HandlerManifest.json")
    # shellcheck disable=SC2016,SC2034 # the inner shell's; the caller shows it
    azure_output=$(in_vm env "ConfigSequenceNumber=$azure_sequence" "AZURE_GUEST_AGENT_EXTENSION_PATH=$home" \
        "AZURE_GUEST_AGENT_EXTENSION_VERSION=$version" AZURE_GUEST_AGENT_WIRE_PROTOCOL_ADDRESS=168.63.129.16 \
        'AZURE_GUEST_AGENT_EXTENSION_SUPPORTED_FEATURES=[{"Key": "ExtensionTelemetryPipeline", "Value": "1.0"}]' \
        "${@:3}" sh -c 'umask 022 && cd "$0" && exec setsid --wait timeout 300 systemd-run --quiet --scope \
        --unit="$1" --slice="$2" -p CPUAccounting=no -p MemoryAccounting=no sh -c "$0/$3"' "$home" \
        "${operation}_$(</proc/sys/kernel/random/uuid)" "azure-vmextensions-$azure_name.slice" "$command" \
        </dev/null 2>&1) || status=$?
    return "$status"
}

azure_install() {
    azure_run install "$1" AZURE_GUEST_AGENT_UNINSTALL_CMD_EXIT_CODE=NOT_RUN || return
    azure_state "$1" Installed
}

azure_enable() {
    azure_run enable "$1" "AZURE_GUEST_AGENT_UNINSTALL_CMD_EXIT_CODE=${2:-NOT_RUN}" || return
    azure_state "$1" Enabled
}

# Only one that is enabled is disabled.
azure_disable() {
    [[ $(<"$(azure_folder "$1")/config/HandlerState") == Enabled ]] || return 0
    azure_run disable "$1" || return
    azure_state "$1" Installed
}

# azure_replace OLD NEW UPDATED: the new one is unpacked and has settings, the update is that of UPDATED, the higher one.
azure_replace() {
    local old=$1 new=$2 updated=$3 from=$1 disabled=None file status=0
    # Both variables hold the lower version: a quirk of the agent's.
    if [[ $updated == "$old" ]]; then from=$new; fi
    if [[ $(<"$(azure_folder "$old")/config/HandlerState") == Enabled ]]; then
        azure_disable "$old" || return
        disabled=0
    fi
    for file in "$(azure_folder "$old")"/{mrseq,status/*}; do
        if [[ -f $file ]]; then cp -p "$file" "$(azure_folder "$new")${file#"$(azure_folder "$old")"}"; fi
    done
    azure_run update "$updated" "VERSION=$new" "AZURE_GUEST_AGENT_UPDATING_FROM_VERSION=$from" \
        "AZURE_GUEST_AGENT_DISABLE_CMD_EXIT_CODE=$disabled" || status=$?
    if [[ $status != 0 ]]; then
        azure_state "$updated" FailedUpgrade
        return "$status"
    fi
    azure_run uninstall "$old" || status=$?
    rm -r "$(azure_folder "$old")"
    azure_state "$new" Installed
    azure_enable "$new" "$status"
}

azure_update() { azure_replace "$1" "$2" "$2"; }
azure_downgrade() { azure_replace "$1" "$2" "$1"; }

# What uninstall says is for the log alone.
azure_uninstall() {
    azure_disable "$1" || return
    azure_run uninstall "$1" || true
    rm -r "$(azure_folder "$1")"
}
