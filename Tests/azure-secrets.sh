#!/usr/bin/env bash
# Protected settings of the VM extension, to be sourced.
#
#   make_secrets FOLDER     secrets.json, and what a client of the API needs: ca.pem, client.pem, client.key

make_secrets() {
    local folder=$1 name new=(openssl req -x509 -nodes -newkey rsa:2048 -days 2)
    mkdir "$folder"
    "${new[@]}" -subj /CN=ca -keyout "$folder/ca.key" -out "$folder/ca.pem" 2>/dev/null
    for name in server client; do
        "${new[@]}" -subj "/CN=$name" -CA "$folder/ca.pem" -CAkey "$folder/ca.key" \
            -addext 'subjectAltName=IP:127.0.0.1' -addext basicConstraints=CA:FALSE -keyout "$folder/$name.key" \
            -out "$folder/$name.pem" 2>/dev/null
    done
    jq -nc --rawfile certificate "$folder/server.pem" --rawfile key "$folder/server.key" \
        --rawfile ca "$folder/ca.pem" '{api: {certificate: $certificate, key: $key, client_ca: $ca}}' \
        >"$folder/secrets.json"
}
