#!/bin/sh
# Start `mlflow server` with the secrets in the files of $SECRETS_FOLDER: an environment is not
# shown in a list of processes, a command line is.
set -eu
folder="${SECRETS_FOLDER:-/run/secrets}"
PGPASSWORD="$(cat "$folder/postgres_password")"
MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY="$(cat "$folder/webhook_encryption_key")"
export PGPASSWORD MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY
exec mlflow server "$@"
