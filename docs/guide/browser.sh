#!/usr/bin/env bash
# A browser client, with a session cookie: signs up, writes a post, edits it with If-Match, lists its sessions, revokes
# one and logs out. Needs curl and jq.
#
#   docs/guide/browser.sh http://127.0.0.1:8080 [http://127.0.0.1:8081]
#
# The optional second address is another node on the same database. Requests alternate between the nodes.
set -euo pipefail
one=${1:-http://127.0.0.1:8080} two=${2:-${1:-http://127.0.0.1:8080}}
name=browser$RANDOM$RANDOM password='small room with a sea view'
folder=$(mktemp -d); trap 'rm -r "$folder"' EXIT
laptop=$folder/laptop library=$folder/library

# Sends the cookie and Sec-Fetch-Site, as a browser does. Cookies ignore the port, so both nodes receive it.
ask() { local jar=$1; shift; curl -sS -b "$jar" -c "$jar" -H 'Sec-Fetch-Site: same-origin' -H 'Content-Type: application/json' "$@"; }
status() { ask "$@" -o /dev/null -w '%{http_code}'; }
expect() { if [ "$1" = "$2" ]; then echo "  ok: $3 ($2)"; else echo "  FAILED: $3: $2, not $1" >&2; exit 1; fi; }

echo "1. Sign up as $name"
ask "$laptop" -d "{\"username\":\"$name\",\"password\":\"$password\",\"client\":\"browser\",\"device_name\":\"Laptop\"}" "$one/api/v1/auth/signup" | jq -r '"     " + .account.username'
expect 200 "$(status "$laptop" "$two/api/v1/me")" 'the other node knows the cookie'

echo '2. Write, read, edit what was read'
post=$(ask "$laptop" -d '{"text":"오늘의 노을 #제주"}' "$two/api/v1/posts" | jq -r .id)
tag=$(ask "$laptop" -o /dev/null -D - "$one/api/v1/posts/$post" | tr -d '\r' | sed -n 's/^etag: //Ip')
expect 304 "$(status "$laptop" -H "If-None-Match: $tag" "$two/api/v1/posts/$post")" 'nothing is new'
expect 200 "$(status "$laptop" -X PATCH -H "If-Match: $tag" -d '{"text":"내일의 노을 #제주"}' "$two/api/v1/posts/$post")" 'edited'
expect 412 "$(status "$laptop" -X PATCH -H "If-Match: $tag" -d '{"text":"어제의 노을"}' "$one/api/v1/posts/$post")" 'a change to an outdated version is rejected'
ask "$laptop" "$one/api/v1/posts/$post/revisions" | jq -r '.items[] | "     " + .text'

echo '3. A page of another site cannot write'
expect 403 "$(curl -sS -o /dev/null -w '%{http_code}' -b "$laptop" -H 'Origin: https://evil.example' -H 'Sec-Fetch-Site: cross-site' -H 'Content-Type: application/json' -d '{"text":"spam"}' "$one/api/v1/posts")" 'rejected'

echo '4. Log in at the library, list the sessions, revoke it'
status "$library" -d "{\"login\":\"$name\",\"password\":\"$password\",\"client\":\"browser\",\"device_name\":\"Library\"}" "$two/api/v1/auth/login" >/dev/null
sessions=$(ask "$laptop" "$one/api/v1/auth/sessions")
jq -r '.items[] | "     \(.device_name)\(if .is_current then "  (this one)" else "" end)"' <<<"$sessions"
id=$(jq -r '.items[] | select(.device_name == "Library").id' <<<"$sessions")
expect 204 "$(status "$laptop" -X DELETE "$one/api/v1/auth/sessions/$id")" 'revoked'
sleep 1
expect 401 "$(status "$library" "$two/api/v1/me")" 'the other node rejects it a second later'

echo '5. Log out'
expect 204 "$(status "$laptop" -X POST "$one/api/v1/auth/logout")" 'logged out'
expect 401 "$(status "$laptop" "$one/api/v1/me")" 'the cookie was removed'
echo Done.
