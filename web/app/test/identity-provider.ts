// An OpenID Connect provider for tests: it has one user, who is logged in and agrees to everything, or cancels.

import { createHash, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

const CLIENT = "blegram";

interface Grant {
  nonce: string | null;
  challenge: string | null;
  redirectUri: string;
}

/** The user of the provider, and whether they cancel. */
interface User {
  subject: string;
  name: string;
  cancels: boolean;
}

export async function startIdentityProvider() {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const grants = new Map<string, Grant>();
  const user: User = { subject: randomUUID(), name: "Provider Person", cancels: false };
  let issuer = "";

  const token = (nonce: string | null) => {
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: issuer, sub: user.subject, aud: CLIENT, iat: now, exp: now + 300, name: user.name, nonce };
    const input = [{ alg: "RS256", kid: "1", typ: "JWT" }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    return `${input}.${sign("sha256", Buffer.from(input), privateKey).toString("base64url")}`;
  };

  /** The browser comes with a request, and goes back with a code. */
  function authorize({ searchParams }: URL, response: ServerResponse): void {
    const target = new URL(searchParams.get("redirect_uri") ?? "");
    target.searchParams.set("state", searchParams.get("state") ?? "");
    if (user.cancels) target.searchParams.set("error", "access_denied");
    else {
      const code = randomUUID();
      grants.set(code, {
        nonce: searchParams.get("nonce"),
        challenge: searchParams.get("code_challenge"),
        redirectUri: searchParams.get("redirect_uri") ?? "",
      });
      target.searchParams.set("code", code);
    }
    response.writeHead(302, { location: target.href }).end();
  }

  /** The site exchanges the code, and proves that it has sent the request (PKCE). */
  async function exchange(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const form = new URLSearchParams(Buffer.concat(chunks).toString());
    const grant = grants.get(form.get("code") ?? "");
    grants.delete(form.get("code") ?? "");
    const proof = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url");
    if (grant?.redirectUri !== form.get("redirect_uri") || (grant?.challenge && grant.challenge !== proof))
      return answer(response, { error: "invalid_grant" }, 400);
    answer(response, {
      access_token: "a",
      token_type: "Bearer",
      expires_in: 300,
      id_token: token(grant?.nonce ?? null),
    });
  }

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", issuer);
    if (url.pathname === "/authorize") authorize(url, response);
    else if (url.pathname === "/token") void exchange(request, response);
    else if (url.pathname === "/jwks")
      answer(response, { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "1", alg: "RS256", use: "sig" }] });
    else if (url.pathname === "/.well-known/openid-configuration")
      answer(response, {
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/jwks`,
        response_types_supported: ["code"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["RS256"],
        code_challenge_methods_supported: ["S256"],
      });
    else answer(response, {}, 404);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  issuer = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  return {
    user,
    /** The settings of a site that has this provider. */
    settings: {
      BLEGRAM_LOGIN__PROVIDERS__0__PRESET: "oidc",
      BLEGRAM_LOGIN__PROVIDERS__0__ID: "company",
      BLEGRAM_LOGIN__PROVIDERS__0__NAME: "회사",
      BLEGRAM_LOGIN__PROVIDERS__0__ISSUER: issuer,
      BLEGRAM_LOGIN__PROVIDERS__0__CLIENT_ID: CLIENT,
      BLEGRAM_LOGIN__PROVIDERS__0__CLIENT_SECRET: "secret of the tests",
    },
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

function answer(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
