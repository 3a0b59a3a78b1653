"""The scenario with openapi-generator (`-g python`). xtask/clients/README.md lists its steps."""

import uuid

from blegram_openapi import (
    ApiClient,
    AuthApi,
    ClientKind,
    CommentsApi,
    Configuration,
    ConversationsApi,
    CreateComment,
    CreateConversation,
    CreatePost,
    DiscoveryApi,
    GatewayApi,
    MediaApi,
    PostsApi,
    SendMessage,
    SignUp,
    UpdateMe,
    UsersApi,
)
from blegram_openapi.exceptions import ApiException, NotFoundException, UnprocessableEntityException
from world import ALTS, COMMENT, MESSAGE, ORIGIN, PASSWORD, POST, equal, photos, uuid7, wait

anonymous = ApiClient(Configuration(host=ORIGIN))


def native(username: str, display_name: str | None = None) -> ApiClient:
    body = SignUp(username=username, password=PASSWORD, client=ClientKind.NATIVE, display_name=display_name)
    tokens = AuthApi(anonymous).sign_up(body).tokens
    assert tokens is not None
    return ApiClient(Configuration(host=ORIGIN, access_token=tokens.access_token))


ann, bob = native("ann", "앤"), native("bob")

upload = MediaApi(ann).upload_media(file=[*photos()], alt=ALTS)
equal([media.alt for media in upload.items], [*ALTS])
equal([(media.width, media.height) for media in upload.items], [(64, 48), (48, 64)])

posts = PostsApi(ann)
body, key = CreatePost(text=POST, media_ids=[media.id for media in upload.items]), str(uuid.uuid4())
post = posts.create_post(body, idempotency_key=key)
equal(posts.create_post(body, idempotency_key=key).id, post.id)
equal(post.hashtags, ["노을"])
others = [posts.create_post(CreatePost(text=f"글 {n}")) for n in range(1, 25)]

equal(UsersApi(bob).follow_user("@ann").following, True)
comment = CommentsApi(bob).create_comment(post.id, CreateComment(text=COMMENT))
assert comment.author is not None
equal((comment.post_id, comment.author.username), (post.id, "bob"))

pages: list[list[uuid.UUID]] = []
cursor: str | None = None
while cursor is not None or not pages:
    page = UsersApi(anonymous).list_user_posts("@ann", limit=10, cursor=cursor)
    pages.append([post.id for post in page.items])
    cursor = page.next_cursor
equal([len(page) for page in pages], [10, 10, 5])
equal([id for page in pages for id in page], [post.id for post in reversed([post, *others])])

found = DiscoveryApi(bob).search_posts("노을")
equal([post.id for post in found.items], [post.id])

conversation = ConversationsApi(ann).create_conversation(CreateConversation(members=["@bob"]))
message = SendMessage(client_id=uuid7(), text=MESSAGE)
sent = ConversationsApi(ann).send_message(conversation.id, message)
equal(ConversationsApi(ann).send_message(conversation.id, message).id, sent.id)
received = ConversationsApi(bob).list_messages(conversation.id)
equal([(message.client_id, message.text) for message in received.items], [(message.client_id, MESSAGE)])

wrong = SignUp(username="a b c", password="password1234", display_name="가" * 31, client=ClientKind.NATIVE)
try:
    AuthApi(anonymous).sign_up(wrong)
    raise AssertionError("an invalid sign-up succeeded")
except UnprocessableEntityException as invalid:
    assert invalid.data is not None
    equal(invalid.data.code, "invalid")
    pointers = sorted(error.pointer for error in invalid.data.errors)
    equal(pointers, ["/display_name", "/password", "/username"])

gateway = GatewayApi(ann)
try:
    for _ in range(10):
        gateway.create_gateway_ticket()
    raise AssertionError("tickets are not limited")
except ApiException as limited:
    assert limited.data is not None and limited.headers is not None
    equal((limited.status, limited.data.code), (429, "rate-limited"))
    wait(limited.headers.get("Retry-After"))
assert gateway.create_gateway_ticket().ticket

updated = UsersApi(ann).update_me(UpdateMe(bio="안녕하세요"))
equal((updated.bio, updated.display_name), ("안녕하세요", "앤"))
cleared = UsersApi(ann).update_me(UpdateMe(bio=None, display_name=None))
equal((cleared.bio, cleared.display_name), ("", "ann"))

last = others[-1].id
posts.delete_post(last)
try:
    posts.get_post(last)
    raise AssertionError("a deleted post is there")
except NotFoundException as missing:
    assert missing.data is not None
    equal(missing.data.code, "not-found")
