// The scenario with openapi-typescript and openapi-fetch. xtask/clients/README.md lists its steps.
import createClient, { type Middleware } from 'openapi-fetch';
import type { components, paths } from './api.d.ts';
import { ALTS, assert, env, equal, photos, PASSWORD, TEXTS, uuid7, wait } from './world.ts';

type Client = ReturnType<typeof createClient<paths>>;
type Problem = components['schemas']['Problem'];

/** The data of a success. */
function ok<T>(answer: { data?: T; error?: Problem; response: Response }): T {
  assert(answer.data !== undefined, `${answer.response.status} ${JSON.stringify(answer.error)}`);
  return answer.data;
}

const anonymous = createClient<paths>({ baseUrl: env('BLEGRAM_ORIGIN') });

async function signUp(username: string, display_name?: string): Promise<Client> {
  const body = { username, password: PASSWORD, client: 'native' as const, ...(display_name && { display_name }) };
  const { tokens } = ok(await anonymous.POST('/api/v1/auth/signup', { body }));
  assert(tokens !== null, 'a native app gets tokens');
  const authenticate: Middleware = {
    onRequest({ request }) {
      request.headers.set('Authorization', `Bearer ${tokens.access_token}`);
    },
  };
  const client = createClient<paths>({ baseUrl: env('BLEGRAM_ORIGIN') });
  client.use(authenticate);
  return client;
}

const [ann, bob] = [await signUp('ann', '앤'), await signUp('bob')];

// Files are `string` to openapi-typescript, and a form needs a serializer.
const form = (await photos()).reduce((form, photo) => (form.append('file', photo), form), new FormData());
ALTS.forEach((alt) => form.append('alt', alt));
const upload = ok(
  await ann.POST('/api/v1/media', { body: { file: [], alt: [] }, bodySerializer: () => form }),
);
equal(upload.items.map((media) => media.alt), ALTS);
equal(upload.items.map((media) => [media.width, media.height]), [[64, 48], [48, 64]]);

const media_ids = upload.items.map((media) => media.id);
const key = { header: { 'Idempotency-Key': crypto.randomUUID() } };
const create = { params: key, body: { text: TEXTS.post, media_ids } };
const post = ok(await ann.POST('/api/v1/posts', create));
equal(ok(await ann.POST('/api/v1/posts', create)).id, post.id);
equal(post.hashtags, ['노을']);
const others = [];
for (let n = 1; n <= 24; n++) others.push(ok(await ann.POST('/api/v1/posts', { body: { text: `글 ${n}` } })));

const byName = { params: { path: { user: '@ann' } } };
equal(ok(await bob.PUT('/api/v1/users/{user}/follow', byName)).following, true);
const ofPost = { params: { path: { post: post.id } } };
const comment = ok(await bob.POST('/api/v1/posts/{post}/comments', { ...ofPost, body: { text: TEXTS.comment } }));
equal([comment.post_id, comment.author?.username], [post.id, 'bob']);

const pages: string[][] = [];
let cursor: string | null = null;
do {
  const query: { limit: number; cursor?: string } = { limit: 10, ...(cursor && { cursor }) };
  const page: components['schemas']['PostPage'] = ok(
    await anonymous.GET('/api/v1/users/{user}/posts', { params: { path: { user: '@ann' }, query } }),
  );
  pages.push(page.items.map((post) => post.id));
  cursor = page.next_cursor;
} while (cursor !== null);
equal(pages.map((page) => page.length), [10, 10, 5]);
equal(pages.flat(), [post, ...others].map((post) => post.id).reverse());

const found = ok(await bob.GET('/api/v1/search/posts', { params: { query: { q: '노을' } } }));
equal(found.items.map((post) => post.id), [post.id]);

const conversation = ok(await ann.POST('/api/v1/conversations', { body: { members: ['@bob'] } }));
const inConversation = { params: { path: { conversation: conversation.id } } };
const client_id = uuid7();
const send = { ...inConversation, body: { client_id, text: TEXTS.message } };
const sent = ok(await ann.POST('/api/v1/conversations/{conversation}/messages', send));
equal(ok(await ann.POST('/api/v1/conversations/{conversation}/messages', send)).id, sent.id);
const received = ok(await bob.GET('/api/v1/conversations/{conversation}/messages', inConversation));
equal(received.items.map((message) => [message.client_id, message.text]), [[client_id, TEXTS.message]]);

const invalid = await anonymous.POST('/api/v1/auth/signup', {
  body: { username: 'a b c', password: 'password1234', display_name: '가'.repeat(31), client: 'native' },
});
equal([invalid.response.status, invalid.error?.code], [422, 'invalid']);
equal(invalid.error?.errors?.map((error) => error.pointer).sort(), ['/display_name', '/password', '/username']);

let limited = null;
for (let n = 0; n < 10 && limited === null; n++) {
  const answer = await ann.POST('/api/v1/gateway/tickets');
  if (answer.response.status === 429) limited = answer;
}
assert(limited !== null, 'tickets are limited');
equal(limited.error?.code, 'rate-limited');
await wait(Number(limited.response.headers.get('Retry-After')));
assert(ok(await ann.POST('/api/v1/gateway/tickets')).ticket, 'a ticket after the wait');

const updated = ok(await ann.PATCH('/api/v1/me', { body: { bio: '안녕하세요' } }));
equal([updated.bio, updated.display_name], ['안녕하세요', '앤']);
const cleared = ok(await ann.PATCH('/api/v1/me', { body: { bio: null, display_name: null } }));
equal([cleared.bio, cleared.display_name], ['', 'ann']);

const last = { params: { path: { post: others[23]!.id } } };
equal((await ann.DELETE('/api/v1/posts/{post}', last)).response.status, 204);
const missing = await ann.GET('/api/v1/posts/{post}', last);
equal([missing.response.status, missing.error?.code], [404, 'not-found']);
