#!/usr/bin/env bash
# Three users follow, comment, like, search and block, each with a session cookie. Needs curl and jq.
#
#   docs/guide/community.sh http://127.0.0.1:8080
set -euo pipefail
site=${1:-http://127.0.0.1:8080} password='small room with a sea view' n=$RANDOM$RANDOM
folder=$(mktemp -d); trap 'rm -r "$folder"' EXIT

as() { local who=$1; shift; curl -sS -b "$folder/$who" -c "$folder/$who" -H 'Sec-Fetch-Site: same-origin' -H 'Content-Type: application/json' "$@"; }
status() { as "$@" -o /dev/null -w '%{http_code}'; }
expect() { if [ "$1" = "$2" ]; then echo "  ok: $3 ($2)"; else echo "  FAILED: $3: $2, not $1" >&2; exit 1; fi; }
api=$site/api/v1

echo "1. Ann, Bob and Chul sign up"
for who in ann bob chul; do
  expect 201 "$(status $who -d "{\"username\":\"$who.$n\",\"password\":\"$password\",\"client\":\"browser\"}" "$api/auth/signup")" "$who.$n"
done

echo '2. Bob follows Ann, and sees her post at home'
expect 1 "$(as bob -X PUT "$api/users/@ann.$n/follow" | jq .follower_count)" 'followed'
post=$(as ann -d "{\"text\":\"서울숲나들이 #가을$n @bob.$n\"}" "$api/posts" | jq -r .id)
expect "$post" "$(as bob "$api/timelines/home" | jq -r '.items[0].id')" 'the post is in it'

echo '3. Likes and comments'
expect '{"liked":true,"like_count":1}' "$(as bob -X PUT "$api/posts/$post/like")" 'liked'
expect '{"liked":true,"like_count":1}' "$(as bob -X PUT "$api/posts/$post/like")" 'once more changes nothing'
comment=$(as bob -d '{"text":"정말 예쁘네요!"}' "$api/posts/$post/comments" | jq -r .id)
as ann -d "{\"text\":\"고마워요\",\"parent_id\":\"$comment\"}" "$api/posts/$post/comments" >/dev/null
expect 2 "$(as chul "$api/posts/$post" | jq .comment_count)" 'a comment and a reply'
expect 'comment post_like follow' "$(as ann "$api/notifications" | jq -r '[.items[].type] | join(" ")')" 'Ann is notified'
expect 'reply mention' "$(as bob "$api/notifications" | jq -r '[.items[].type] | join(" ")')" 'and Bob'

echo '4. A two-syllable word is found inside a compound, a hashtag is counted'
expect true "$(as chul -G --data-urlencode 'q=서울' "$api/search/posts" | jq --arg id "$post" '[.items[].id] | index($id) != null')" 'found'
expect 1 "$(as chul "$api/hashtags/%EA%B0%80%EC%9D%84$n" | jq .post_count)" 'counted'

echo '5. Bob deletes his comment: the reply stays below a tombstone'
expect 204 "$(status bob -X DELETE "$api/comments/$comment")" 'deleted'
expect 'true null' "$(as chul "$api/comments/$comment" | jq -r '"\(.is_deleted) \(.text)"')" 'a tombstone'

echo '6. Ann turns private; Chul has to ask'
as ann -X PATCH -d '{"is_private":true}' "$api/me" >/dev/null
expect 404 "$(status chul "$api/posts/$post")" 'the post is not there for strangers'
expect true "$(as chul -X PUT "$api/users/@ann.$n/follow" | jq .requested)" 'asked'
expect true "$(as ann -X PUT "$api/me/follow-requests/@chul.$n" | jq .accepted)" 'accepted'
expect 200 "$(status chul "$api/posts/$post")" 'now it is visible'

echo '7. Ann blocks Bob'
as ann -X PUT "$api/users/@bob.$n/block" >/dev/null
expect 404 "$(status bob "$api/users/@ann.$n")" 'Bob does not find her any more'
expect 404 "$(status bob "$api/posts/$post")" 'nor her posts'
expect 200 "$(status ann "$api/users/@bob.$n")" 'Ann still sees who that is'
echo Done.
