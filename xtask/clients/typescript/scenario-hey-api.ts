// The scenario with @hey-api/openapi-ts. xtask/clients/README.md lists its steps.
import { createClient, type Client } from './hey-api/client/index.js';
import * as api from './hey-api/index.js';
import { ALTS, assert, env, equal, photos, PASSWORD, TEXTS, uuid7, wait } from './world.ts';

/** The data of a success. */
function ok<T>(answer: { data?: T; error?: unknown; response?: Response }): T {
  assert(answer.data !== undefined, `${answer.response?.status} ${JSON.stringify(answer.error)}`);
  return answer.data;
}

const anonymous = createClient({ baseUrl: env('BLEGRAM_ORIGIN') });

async function signUp(username: string, display_name?: string): Promise<Client> {
  const body = { username, password: PASSWORD, client: 'native' as const, ...(display_name && { display_name }) };
  const { tokens } = ok(await api.signUp({ client: anonymous, body }));
  assert(tokens !== null, 'a native app gets tokens');
  const auth = (scheme: { type: string }) => (scheme.type === 'http' ? tokens.access_token : undefined);
  return createClient({ baseUrl: env('BLEGRAM_ORIGIN'), auth });
}

const [ann, bob] = [await signUp('ann', '앤'), await signUp('bob')];

const upload = ok(await api.uploadMedia({ client: ann, body: { file: await photos(), alt: ALTS } }));
equal(upload.items.map((media) => media.alt), ALTS);
equal(upload.items.map((media) => [media.width, media.height]), [[64, 48], [48, 64]]);

const create = {
  client: ann,
  headers: { 'Idempotency-Key': crypto.randomUUID() },
  body: { text: TEXTS.post, media_ids: upload.items.map((media) => media.id) },
};
const post = ok(await api.createPost(create));
equal(ok(await api.createPost(create)).id, post.id);
equal(post.hashtags, ['노을']);
const others = [];
for (let n = 1; n <= 24; n++) others.push(ok(await api.createPost({ client: ann, body: { text: `글 ${n}` } })));

equal(ok(await api.followUser({ client: bob, path: { user: '@ann' } })).following, true);
const body = { text: TEXTS.comment };
const comment = ok(await api.createComment({ client: bob, path: { post: post.id }, body }));
equal([comment.post_id, comment.author?.username], [post.id, 'bob']);

const pages: string[][] = [];
let cursor: string | null = null;
do {
  const query: api.ListUserPostsData['query'] = { limit: 10, ...(cursor && { cursor }) };
  const page: api.PostPage = ok(
    await api.listUserPosts({ client: anonymous, path: { user: '@ann' }, query }),
  );
  pages.push(page.items.map((post) => post.id));
  cursor = page.next_cursor;
} while (cursor !== null);
equal(pages.map((page) => page.length), [10, 10, 5]);
equal(pages.flat(), [post, ...others].map((post) => post.id).reverse());

const found = ok(await api.searchPosts({ client: bob, query: { q: '노을' } }));
equal(found.items.map((post) => post.id), [post.id]);

const conversation = ok(await api.createConversation({ client: ann, body: { members: ['@bob'] } }));
const path = { conversation: conversation.id };
const client_id = uuid7();
const send = { client: ann, path, body: { client_id, text: TEXTS.message } };
const sent = ok(await api.sendMessage(send));
equal(ok(await api.sendMessage(send)).id, sent.id);
const received = ok(await api.listMessages({ client: bob, path }));
equal(received.items.map((message) => [message.client_id, message.text]), [[client_id, TEXTS.message]]);

const invalid = await api.signUp({
  client: anonymous,
  body: { username: 'a b c', password: 'password1234', display_name: '가'.repeat(31), client: 'native' },
});
equal([invalid.response?.status, invalid.error?.code], [422, 'invalid']);
equal(invalid.error?.errors?.map((error) => error.pointer).sort(), ['/display_name', '/password', '/username']);

let limited = null;
for (let n = 0; n < 10 && limited === null; n++) {
  const answer = await api.createGatewayTicket({ client: ann });
  if (answer.response?.status === 429) limited = answer;
}
assert(limited !== null, 'tickets are limited');
equal(limited.error?.code, 'rate-limited');
await wait(Number(limited.response?.headers.get('Retry-After')));
assert(ok(await api.createGatewayTicket({ client: ann })).ticket, 'a ticket after the wait');

const updated = ok(await api.updateMe({ client: ann, body: { bio: '안녕하세요' } }));
equal([updated.bio, updated.display_name], ['안녕하세요', '앤']);
const cleared = ok(await api.updateMe({ client: ann, body: { bio: null, display_name: null } }));
equal([cleared.bio, cleared.display_name], ['', 'ann']);

const last = { client: ann, path: { post: others[23]!.id } };
equal((await api.deletePost(last)).response?.status, 204);
const missing = await api.getPost(last);
equal([missing.response?.status, missing.error?.code], [404, 'not-found']);
