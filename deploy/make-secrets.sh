#!/bin/sh
# Make the secrets that docker-compose.yaml mounts; those that are there stay. Run it as root: the
# files belong to root, and only the group of the containers (10001) may read them.
set -eu
umask 077
folder="${1:-$(dirname "$0")/secrets}"
owner="${SECRETS_OWNER:-root:10001}"
mode="${SECRETS_MODE:-0640}"
make_secret() {
    if [ ! -s "$folder/$1" ]; then
        head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' >"$folder/$1"
    fi
    chown "$owner" "$folder/$1"
    chmod "$mode" "$folder/$1"
}
mkdir -p "$folder"
make_secret postgres_password
# MLflow encrypts the secrets of webhooks with it: 32 bytes in URL-safe base64.
make_secret webhook_encryption_key
make_secret webhook_secret
