#!/usr/bin/env bash
# Generates the secrets of the kind overlay: random, private to this machine, ignored by git. Keeps existing secrets, so
# that a second run does not invalidate the password of the database.
# Usage: kind-secrets.sh [OVERLAY_DIR]
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
target="${1:-$here/../overlays/kind}/secrets"
umask 077
mkdir -p "$target"
if [[ -f "$target/application.env" ]]; then
  echo "secrets exist already: $target"
  exit 0
fi

# 32 bytes, as letters and digits only: they go into URLs unescaped.
random() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

postgres="$(random)"
redis="$(random)"
printf '%s' "$(random)" > "$target/auth_token"
printf '%s' "$(random)" > "$target/password"
printf '%s' "$redis" > "$target/redis_password"
printf 'POSTGRES_PASSWORD=%s\n' "$postgres" > "$target/postgres.env"
{
  printf 'DATABASE_URL=postgresql://trailmind:%s@postgres:5432/trailmind\n' "$postgres"
  printf 'REDIS_URL=redis://:%s@redis:6379/0\n' "$redis"
  printf 'TRAILMIND_SECRET_KEY=%s\n' "$(random)"
  printf 'TRAILMIND_METRICS_TOKEN=%s\n' "$(random)"
  for key in OPENAI_API_KEY ANTHROPIC_API_KEY GEMINI_API_KEY; do
    if [[ -n "${!key:-}" ]]; then printf '%s=%s\n' "$key" "${!key}"; fi
  done
} > "$target/application.env"
echo "secrets made: $target"
