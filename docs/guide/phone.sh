#!/usr/bin/env bash
# A native client, with tokens instead of a cookie: signs up, recovers from a lost refresh response, lists its sessions,
# revokes one, and shows how the server detects a reused refresh token. Needs curl and jq.
#
#   docs/guide/phone.sh http://127.0.0.1:8080 [http://127.0.0.1:8081]
#
# The optional second address is another node on the same database. Requests alternate between the nodes.
set -euo pipefail
one=${1:-http://127.0.0.1:8080} two=${2:-${1:-http://127.0.0.1:8080}}
name=phone$RANDOM$RANDOM password='small room with a sea view'

post() { # NODE PATH JSON [CURL OPTIONS]
  local url="$1/api/v1$2" body=$3; shift 3
  curl -sS --fail-with-body -H 'Content-Type: application/json' -d "$body" "$@" "$url"
}
refresh() { post "$1" /auth/token "{\"grant_type\":\"refresh_token\",\"refresh_token\":\"$2\"}"; }
status() { curl -sS -o /dev/null -w '%{http_code}' "$@"; }
expect() { if [ "$1" = "$2" ]; then echo "  ok: $3 ($2)"; else echo "  FAILED: $3: $2, not $1" >&2; exit 1; fi; }

echo "1. Sign up as $name"
tokens=$(post "$one" /auth/signup "{\"username\":\"$name\",\"password\":\"$password\",\"client\":\"native\",\"device_name\":\"My phone\"}" | jq .tokens)
access=$(jq -r .access_token <<<"$tokens") refresh=$(jq -r .refresh_token <<<"$tokens")
expect 200 "$(status -H "Authorization: Bearer $access" "$two/api/v1/me")" 'the other node knows the access token'

echo '2. Refresh, lose the answer, refresh again'
lost=$(refresh "$two" "$refresh" | jq -r .refresh_token)
again=$(refresh "$one" "$refresh")
expect true "$(jq --arg lost "$lost" '.refresh_token == $lost' <<<"$again")" 'the same tokens come again'
old=$refresh access=$(jq -r .access_token <<<"$again") refresh=$(jq -r .refresh_token <<<"$again")
expect 200 "$(status -H "Authorization: Bearer $access" "$one/api/v1/me")" 'they are good'

echo '3. Log in on a tablet, list the sessions, revoke the tablet'
tablet=$(post "$two" /auth/login "{\"login\":\"$name\",\"password\":\"$password\",\"client\":\"native\",\"device_name\":\"Old tablet\"}" | jq -r .tokens.access_token)
sessions=$(curl -sS -H "Authorization: Bearer $access" "$one/api/v1/auth/sessions")
jq -r '.items[] | "     \(.device_name)\(if .is_current then "  (this one)" else "" end)"' <<<"$sessions"
id=$(jq -r '.items[] | select(.device_name == "Old tablet").id' <<<"$sessions")
expect 204 "$(status -X DELETE -H "Authorization: Bearer $access" "$one/api/v1/auth/sessions/$id")" 'revoked'
sleep 1
expect 401 "$(status -H "Authorization: Bearer $tablet" "$two/api/v1/me")" 'the other node rejects it a second later'

echo '4. A thief uses the old refresh token: the session ends for both'
expect 401 "$(status -H 'Content-Type: application/json' -d "{\"grant_type\":\"refresh_token\",\"refresh_token\":\"$old\"}" "$two/api/v1/auth/token")" 'rejected'
sleep 1
expect 401 "$(status -H "Authorization: Bearer $access" "$one/api/v1/me")" 'and noticed'
echo Done.
