#!/usr/bin/env bash
# Uploads a photo through the server and directly to storage, publishes it in a post and as an avatar, then restricts the
# post to followers. Needs curl, jq, file and openssl.
#
#   docs/guide/photo.sh http://127.0.0.1:8080 IMG_1.JPG
set -euo pipefail
site=${1:-http://127.0.0.1:8080} photo=${2:?name a photo} n=$RANDOM$RANDOM
folder=$(mktemp -d); trap 'rm -r "$folder"' EXIT

as_ann() { curl -sS -b "$folder/jar" -c "$folder/jar" -H 'Sec-Fetch-Site: same-origin' "$@"; }
json() { as_ann -H 'Content-Type: application/json' "$@"; }
expect() { if [ "$1" = "$2" ]; then echo "  ok: $3 ($2)"; else echo "  FAILED: $3: $2, not $1" >&2; exit 1; fi; }
api=$site/api/v1

echo '1. Ann signs up'
body="{\"username\":\"ann.$n\",\"password\":\"small room with a sea view\",\"client\":\"browser\"}"
expect 201 "$(json -d "$body" "$api/auth/signup" -o /dev/null -w '%{http_code}')" "ann.$n"

echo '2. She uploads a photo, and says what it shows'
media=$(as_ann -F "file=@$photo" -F 'alt=해 질 녘의 바다' "$api/media" | jq '.items[0]')
expect '해 질 녘의 바다' "$(jq -r .alt <<<"$media")" 'uploaded'
echo "  $(jq -r '"\(.width) × \(.height) pixels, \(.byte_size) bytes, \(.blurhash)"' <<<"$media")"

echo '3. She posts it; a moment later anyone can fetch it, with a permanent link'
post=$(json -d "{\"text\":\"#노을\",\"media_ids\":[$(jq .id <<<"$media")]}" "$api/posts")
for _ in $(seq 100); do
  link=$(curl -sS "$api/posts/$(jq -r .id <<<"$post")" | jq -r '.media[0].url')
  [[ $link == *ignature=* ]] || break
  sleep 0.1
done
if [[ $link == *ignature=* ]]; then echo '  FAILED: the link is still signed' >&2; exit 1; fi
expect '200 image/webp' "$(curl -sS -o "$folder/photo.webp" -w '%{http_code} %{content_type}' "$link")" "$link"
if grep -aqE 'Exif|GPS' "$folder/photo.webp"; then echo '  FAILED: metadata is left' >&2; exit 1; fi

echo '4. The same photo goes into storage directly: announce, put, complete'
size=$(wc -c <"$photo") type=$(file --brief --mime-type "$photo")
hash=$(openssl dgst -sha256 -binary "$photo" | base64)
upload=$(json -d "{\"content_type\":\"$type\",\"byte_size\":$size,\"sha256\":\"$hash\"}" "$api/media/uploads")
mapfile -t headers < <(jq -r '.headers | to_entries[] | "-H\n\(.key): \(.value)"' <<<"$upload")
put=$(curl -sS -X PUT "${headers[@]}" --data-binary "@$photo" -o /dev/null -w '%{http_code}' "$(jq -r .url <<<"$upload")")
expect 200 "$put" 'put'
complete="$api/media/uploads/$(jq -r .id <<<"$upload")/complete"
direct=$(json -X POST "$complete" | jq -r .id)
expect "$direct" "$(json -X POST "$complete" | jq -r .id)" 'completing twice is completing once'

echo '5. It becomes her picture'
avatar=$(json -X PATCH -d "{\"avatar_media_id\":\"$direct\"}" "$api/me" | jq -r .avatar_url)
expect 200 "$(curl -sS -o /dev/null -w '%{http_code}' "$avatar")" "$avatar"

echo '6. A followers-only post has links that expire; the permanent link returns 404'
id=$(jq -r .id <<<"$post")
json -X PATCH -d '{"visibility":"followers"}' "$api/posts/$id" >/dev/null
for _ in $(seq 50); do [ "$(curl -sS -o /dev/null -w '%{http_code}' "$link")" = 200 ] || break; sleep 0.1; done
expect true "$(json "$api/posts/$id" | jq '.media[0].url | test("[Ss]ignature=")')" 'signed'
if [ "$(curl -sS -o /dev/null -w '%{http_code}' "$link")" = 200 ]; then echo '  FAILED: the old link still works' >&2; exit 1; fi
echo 'Done.'
