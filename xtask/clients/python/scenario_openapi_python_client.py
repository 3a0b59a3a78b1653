"""The scenario with openapi-python-client. xtask/clients/README.md lists its steps."""

import io
import uuid
from http import HTTPStatus
from typing import TypeVar

from blegram_client import AuthenticatedClient, Client
from blegram_client.api.auth import sign_up
from blegram_client.api.comments import create_comment
from blegram_client.api.conversations import create_conversation, list_messages, send_message
from blegram_client.api.discovery import search_posts
from blegram_client.api.gateway import create_gateway_ticket
from blegram_client.api.media import upload_media
from blegram_client.api.posts import create_post, delete_post, get_post
from blegram_client.api.users import follow_user, list_user_posts, update_me
from blegram_client.models import (
    ClientKind,
    CreateComment,
    CreateConversation,
    CreatePost,
    Problem,
    SendMessage,
    SignUp,
    UpdateMe,
    UploadMedia,
    UserSummary,
)
from blegram_client.types import UNSET, File, Unset
from world import ALTS, COMMENT, MESSAGE, ORIGIN, PASSWORD, POST, equal, photos, uuid7, wait

T = TypeVar("T")


def ok(answer: T | Problem | None) -> T:
    """The body of a success."""
    assert answer is not None and not isinstance(answer, Problem), answer
    return answer


anonymous = Client(base_url=ORIGIN)


def native(username: str, display_name: str | Unset = UNSET) -> AuthenticatedClient:
    body = SignUp(username=username, password=PASSWORD, client=ClientKind.NATIVE, display_name=display_name)
    tokens = ok(sign_up.sync(client=anonymous, body=body)).tokens
    assert tokens is not None
    return AuthenticatedClient(base_url=ORIGIN, token=tokens.access_token)


ann, bob = native("ann", "앤"), native("bob")

files = [File(payload=io.BytesIO(content), file_name=name) for name, content in photos()]
upload = ok(upload_media.sync(client=ann, body=UploadMedia(file=files, alt=ALTS)))
equal([media.alt for media in upload.items], [*ALTS])
equal([(media.width, media.height) for media in upload.items], [(64, 48), (48, 64)])

body, key = CreatePost(text=POST, media_ids=[media.id for media in upload.items]), str(uuid.uuid4())
post = ok(create_post.sync(client=ann, body=body, idempotency_key=key))
equal(ok(create_post.sync(client=ann, body=body, idempotency_key=key)).id, post.id)
equal(post.hashtags, ["노을"])
others = [ok(create_post.sync(client=ann, body=CreatePost(text=f"글 {n}"))) for n in range(1, 25)]

equal(ok(follow_user.sync("@ann", client=bob)).following, True)
comment = ok(create_comment.sync(post.id, client=bob, body=CreateComment(text=COMMENT)))
assert isinstance(comment.author, UserSummary)
equal((comment.post_id, comment.author.username), (post.id, "bob"))

# The generator demands credentials, in its types only, where they are optional.
pages: list[list[uuid.UUID]] = []
cursor: str | None | Unset = UNSET
while cursor is not None:
    page = ok(list_user_posts.sync("@ann", client=bob, limit=10, cursor=cursor))
    pages.append([post.id for post in page.items])
    cursor = page.next_cursor
equal([len(page) for page in pages], [10, 10, 5])
equal([id for page in pages for id in page], [post.id for post in reversed([post, *others])])

found = ok(search_posts.sync(client=bob, q="노을"))
equal([post.id for post in found.items], [post.id])

conversation = ok(create_conversation.sync(client=ann, body=CreateConversation(members=["@bob"])))
message = SendMessage(client_id=uuid7(), text=MESSAGE)
sent = ok(send_message.sync(conversation.id, client=ann, body=message))
equal(ok(send_message.sync(conversation.id, client=ann, body=message)).id, sent.id)
received = ok(list_messages.sync(conversation.id, client=bob))
equal([(message.client_id, message.text) for message in received.items], [(message.client_id, MESSAGE)])

wrong = SignUp(username="a b c", password="password1234", display_name="가" * 31, client=ClientKind.NATIVE)
invalid = sign_up.sync_detailed(client=anonymous, body=wrong)
equal(invalid.status_code, HTTPStatus.UNPROCESSABLE_ENTITY)
assert isinstance(invalid.parsed, Problem) and invalid.parsed.errors is not None
equal(invalid.parsed.code, "invalid")
equal(sorted(error.pointer for error in invalid.parsed.errors), ["/display_name", "/password", "/username"])

answers = (create_gateway_ticket.sync_detailed(client=ann) for _ in range(10))
limited = next(answer for answer in answers if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS)
assert isinstance(limited.parsed, Problem)
equal(limited.parsed.code, "rate-limited")
wait(limited.headers.get("Retry-After"))
assert ok(create_gateway_ticket.sync(client=ann)).ticket

updated = ok(update_me.sync(client=ann, body=UpdateMe(bio="안녕하세요")))
equal((updated.bio, updated.display_name), ("안녕하세요", "앤"))
cleared = ok(update_me.sync(client=ann, body=UpdateMe(bio=None, display_name=None)))
equal((cleared.bio, cleared.display_name), ("", "ann"))

last = others[-1].id
equal(delete_post.sync_detailed(last, client=ann).status_code, HTTPStatus.NO_CONTENT)
missing = get_post.sync_detailed(last, client=ann)
equal(missing.status_code, HTTPStatus.NOT_FOUND)
assert isinstance(missing.parsed, Problem)
equal(missing.parsed.code, "not-found")
