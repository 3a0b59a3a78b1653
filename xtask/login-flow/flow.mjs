// The browser and the identity provider of `cargo xtask login-flow`: logs in to the blegram server at BLEGRAM_ORIGIN
// through oidc-provider, an implementation of OpenID Connect that shares no code with blegram. With BLEGRAM_NODES, it also is
// the load balancer at BLEGRAM_ORIGIN, in front of these nodes of one site.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createServer, request as send } from 'node:http';
import { Provider } from 'oidc-provider';
import { chromium } from 'playwright-core';

const { BLEGRAM_ORIGIN: origin, PROVIDER_PORT: port, CLIENT_SECRET: secret, APP_REDIRECT: appRedirect } = process.env;
const chromiumPath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const issuer = `http://127.0.0.1:${port}`;
const nodes = (process.env.BLEGRAM_NODES ?? '').split(' ').filter(Boolean);
const LIMIT = 30_000;

/** The logins that started and finished on each node. */
const served = nodes.map(() => ({ starts: 0, callbacks: 0 }));

/** Sends the start of each login to the first node and its end to the last; the nodes take turns for all other requests. */
async function startLoadBalancer() {
  let turn = 0;
  const choose = (path) => {
    if (path === '/api/v1/auth/oidc/start') {
      served[0].starts += 1;
      return 0;
    }
    if (path === '/api/v1/auth/oidc/callback') {
      served[nodes.length - 1].callbacks += 1;
      return nodes.length - 1;
    }
    turn += 1;
    return turn % nodes.length;
  };
  const balancer = createServer((incoming, outgoing) => {
    const node = nodes[choose(new URL(incoming.url, origin).pathname)];
    const { method, headers } = incoming;
    const forwarded = send(new URL(incoming.url, node), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    forwarded.on('error', (error) => outgoing.destroy(error));
    incoming.pipe(forwarded);
  });
  await new Promise((resolve) => balancer.listen(Number(new URL(origin).port), '127.0.0.1', resolve));
}

async function startProvider() {
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'blegram', client_secret: secret, redirect_uris: [`${origin}/api/v1/auth/oidc/callback`] }],
    claims: { openid: ['sub'], profile: ['nickname', 'name'], email: ['email', 'email_verified'] },
    pkce: { required: () => true },
    findAccount: (_, sub) => ({
      accountId: sub,
      claims: () => ({ sub, nickname: sub.split('-')[0], email: `${sub}@example.com`, email_verified: true }),
    }),
  });
  provider.on('server_error', (_, error) => console.error(error));
  await new Promise((resolve) => provider.listen(Number(port), '127.0.0.1', resolve));
}

/** Runs `visit` in a browser without cookies. */
async function inBrowser(browser, visit) {
  const context = await browser.newContext({ locale: 'en-US' });
  context.setDefaultTimeout(LIMIT);
  try {
    return await visit(await context.newPage(), context);
  } finally {
    await context.close();
  }
}

/** From the login page to the provider's form. */
async function begin(page) {
  await page.goto(`${origin}/login`);
  await page.getByRole('link', { name: /Test provider/ }).click();
  await page.waitForURL(`${issuer}/interaction/**`);
}

/** Logs in at the provider, and consents. */
async function authenticate(page, subject) {
  await page.fill('input[name=login]', subject);
  await page.fill('input[name=password]', 'any');
  await page.click('button[type=submit]');
  const consent = page.getByRole('button', { name: 'Continue' });
  await consent.waitFor();
  await consent.click();
}

async function me(page) {
  const response = await page.context().request.get(`${origin}/api/v1/me`);
  return response.ok() ? response.json() : { status: response.status() };
}

const steps = {
  async 'a first login creates an account with the nickname'(browser) {
    const account = await inBrowser(browser, async (page) => {
      await begin(page);
      await authenticate(page, 'minji-1');
      await page.waitForURL(`${origin}/**`);
      return me(page);
    });
    assert.equal(account.username, 'minji', JSON.stringify(account));
  },
  async 'a further login finds the account'(browser) {
    await inBrowser(browser, async (page) => {
      await begin(page);
      await authenticate(page, 'minji-1');
      await page.waitForURL(`${origin}/**`);
      assert.equal((await me(page)).username, 'minji');
    });
  },
  async 'a taken nickname leads to the page that asks for a username'(browser) {
    await inBrowser(browser, async (page) => {
      await begin(page);
      await authenticate(page, 'minji-2');
      await page.waitForURL(`${origin}/signup/complete**`);
      assert.equal((await me(page)).status, 401);
      await page.fill('input[name=username]', 'minji');
      await page.click('form[action^="/signup/complete"] button');
      await page.getByRole('alert').waitFor();
      await page.fill('input[name=username]', 'minji.second');
      await page.click('form[action^="/signup/complete"] button');
      await page.waitForURL((url) => url.origin === origin && url.pathname !== '/signup/complete');
      assert.equal((await me(page)).username, 'minji.second');
    });
  },
  async 'a cancelled login ends on the error page'(browser) {
    await inBrowser(browser, async (page) => {
      await begin(page);
      await page.getByRole('link', { name: 'Cancel' }).click();
      await page.waitForURL(`${origin}/login/error?code=login-cancelled**`);
      assert.equal((await me(page)).status, 401);
    });
  },
  async 'a callback is useless in another browser'(browser) {
    await inBrowser(browser, async (page) => {
      let callback;
      page.on('request', (request) => {
        if (request.url().includes('/oidc/callback')) callback = request.url();
      });
      // The cookie is lost on the way, so the transaction is not used up.
      await begin(page);
      await page.context().clearCookies({ domain: '127.0.0.1', name: /login/ });
      await authenticate(page, 'minji-1');
      await page.waitForURL(`${origin}/login/error**`);
      assert.ok(callback);
      await inBrowser(browser, async (other) => {
        await other.goto(callback);
        assert.equal(new URL(other.url()).pathname, '/login/error');
        assert.equal((await me(other)).status, 401);
      });
    });
  },
  async 'a native app receives a code for tokens'(browser) {
    const received = [];
    const app = createServer((request, response) => {
      received.push(new URL(request.url, 'http://127.0.0.1'));
      response.end('ok');
    });
    await new Promise((resolve) => app.listen(0, '127.0.0.1', resolve));
    const redirectUri = appRedirect.replace('127.0.0.1', `127.0.0.1:${app.address().port}`);
    const verifier = randomBytes(32).toString('base64url');
    const query = new URLSearchParams({
      client: 'native',
      redirect_uri: redirectUri,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      state: 'of-the-app',
    });
    await inBrowser(browser, async (page) => {
      await page.goto(`${origin}/api/v1/auth/oidc/start?${query}`);
      await authenticate(page, 'minji-1');
      await page.waitForURL(`${redirectUri}**`);
    });
    app.close();
    const answer = received.find((url) => url.searchParams.has('code'));
    assert.equal(answer.searchParams.get('state'), 'of-the-app');
    const exchange = () =>
      fetch(`${origin}/api/v1/auth/token`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          grant_type: 'authorization_code',
          code: answer.searchParams.get('code'),
          code_verifier: verifier,
          redirect_uri: redirectUri,
        }),
      });
    const first = await exchange();
    const tokens = await first.json();
    assert.equal(first.status, 200, JSON.stringify(tokens));
    const account = await fetch(`${origin}/api/v1/me`, { headers: { authorization: `Bearer ${tokens.access_token}` } });
    assert.equal((await account.json()).username, 'minji');
    assert.equal((await exchange()).status, 401);
  },
};

if (nodes.length > 0) await startLoadBalancer();
await startProvider();
const browser = await chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox'] });
let failures = 0;
for (const [name, step] of Object.entries(steps)) {
  try {
    await step(browser);
    console.log(`ok: ${name}`);
  } catch (error) {
    failures += 1;
    console.error(`FAILED: ${name}\n${error.stack}`);
  }
}
await browser.close();
if (nodes.length > 1) {
  const [first, last] = [served[0], served[nodes.length - 1]];
  assert.ok(first.starts >= 6 && last.callbacks >= 6, JSON.stringify(served));
  assert.ok(first.callbacks === 0 && last.starts === 0, JSON.stringify(served));
  console.log(`ok: ${first.starts} logins started on the first node, ${last.callbacks} callbacks arrived at the last`);
}
process.exit(failures === 0 ? 0 : 1);
