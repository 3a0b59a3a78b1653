import { abortable } from "./environment.js";
import type { Tokens } from "./generated/models.js";
import type { Call, Http } from "./http.js";
import { Problem } from "./problem.js";

/** What a call is authenticated with. */
export interface Credential {
  headers: Record<string, string>;
  /** Whether the browser sends its cookies. */
  mode: RequestCredentials;
}

/** How the client is logged in: {@link cookieAuth} or {@link tokenAuth}. */
export interface Auth {
  /** How logins return the session. */
  readonly client: "browser" | "native";
  /** Whether the tabs of a browser are in the same session. */
  readonly isShared: boolean;
  credential(http: Http, call: Call): Promise<Credential>;
  /** After a rejected call: whether it can be repeated, with another credential. */
  recover(http: Http, problem: Problem, used: Credential): Promise<boolean>;
  /** Learns the tokens of a login from its response. */
  accept(data: unknown): Promise<void>;
  /** The session was ended by this client. */
  clear(): Promise<void>;
  /** A current access token, refreshed if the one in use is `old`; `undefined` in cookie mode. */
  accessToken(http: Http, old?: string): Promise<string | undefined>;
}

/**
 * The session is a cookie that the browser stores, for pages of the site and of trusted origins. Scripts cannot read it.
 *
 * Browsers send `Sec-Fetch-Site` or `Origin`, by which the server recognises forged requests. A client that sends neither is
 * rejected with `csrf-rejected` before the call takes effect; then the call is repeated with the token of the session.
 */
export function cookieAuth(): Auth {
  let csrfToken: string | null = null;
  const drop = async () => {
    csrfToken = null;
  };
  return {
    client: "browser",
    isShared: true,
    async credential(_, { path }) {
      // The storage of another site gets neither cookies nor the token.
      if (!path.startsWith("/")) return { headers: {}, mode: "omit" };
      return { headers: csrfToken ? { "x-csrf-token": csrfToken } : {}, mode: "include" };
    },
    async recover(http, problem, used) {
      if (problem.code !== "csrf-rejected") return false;
      const before = used.headers["x-csrf-token"] ?? null;
      const { data } = await http.call<{ csrf_token: string | null }>({ method: "GET", path: "/api/v1/auth/csrf" });
      csrfToken = data.csrf_token;
      return csrfToken !== before;
    },
    accept: drop,
    clear: drop,
    async accessToken() {
      return undefined;
    },
  };
}

/**
 * Where the tokens of a session are stored. `save` is called before new tokens are used.
 *
 * Tabs that share a store must read what another one has saved: IndexedDB does that, `localStorage` does not, so a tab could use a
 * refresh token for the second time, which ends the session.
 */
export interface TokenStore {
  load(): Promise<Tokens | null> | Tokens | null;
  save(tokens: Tokens | null): Promise<void> | void;
}

/** Stores the tokens as long as the program runs. */
export function memoryStore(tokens: Tokens | null = null): TokenStore {
  return {
    load: () => tokens,
    save: (next) => {
      tokens = next;
    },
  };
}

export interface TokenAuthOptions {
  /** Default: {@link memoryStore}. */
  store?: TokenStore;
  /** The session has ended: it was revoked, or the account was deleted. Log in again. */
  onEnd?: (problem: Problem) => void;
}

/** A token is refreshed if it expires within this time, in milliseconds. */
const EARLY = 5_000;

/**
 * The session is an access token for each call, and a refresh token that is valid for one use. For native apps, web views,
 * and pages of other sites.
 *
 * Calls share one refresh, and so do tabs that share a store, where the browser has Web Locks. A refresh whose response was
 * lost is repeated with the same refresh token, and gets the same tokens.
 */
export function tokenAuth(options: TokenAuthOptions = {}): Auth {
  const store = options.store ?? memoryStore();
  let tokens: Tokens | null | undefined;
  /** By the monotonic clock; `undefined` for tokens from the store, whose age is unknown: a 401 reports that they have expired. */
  let expiresAt: number | undefined;
  let refreshing: Promise<void> | undefined;
  let now: () => number;

  async function load(): Promise<Tokens | null> {
    tokens ??= await store.load();
    return tokens;
  }

  async function adopt(next: Tokens | null): Promise<void> {
    await store.save(next);
    tokens = next;
    expiresAt = next && now ? now() + next.expires_in * 1000 : undefined;
  }

  async function refresh(http: Http, old: string): Promise<void> {
    // Another tab may have refreshed the tokens, or ended the session.
    const stored = await store.load();
    if (stored?.access_token !== old) {
      tokens = stored;
      expiresAt = undefined;
      return;
    }
    try {
      // The tokens of the response are accepted, as those of a login are.
      await http.call({
        method: "POST",
        path: "/api/v1/auth/token",
        body: { grant_type: "refresh_token", refresh_token: stored.refresh_token },
        isAnonymous: true,
        isRepeatable: true,
      });
    } catch (error) {
      // Not any other response: the page of a proxy or of a login to a network says nothing about the session.
      if (error instanceof Problem && /^(invalid-grant|account-suspended)$/.test(error.code)) {
        await adopt(null);
        options.onEnd?.(error);
      }
      throw error;
    }
  }

  async function refreshAlone(http: Http, old: string): Promise<void> {
    const { locks } = http.env;
    if (locks) await locks.request(`blegram.refresh ${http.baseUrl}`, () => refresh(http, old));
    else await refresh(http, old);
  }

  function renew(http: Http, old: string): Promise<void> {
    const current =
      refreshing ??
      refreshAlone(http, old).finally(() => {
        refreshing = undefined;
      });
    refreshing = current;
    return current;
  }

  return {
    client: "native",
    isShared: options.store !== undefined,
    async credential(http, call) {
      now = http.env.now;
      // A URL of another site is not for the token.
      if (call.isAnonymous || !call.path.startsWith("/")) return { headers: {}, mode: "omit" };
      const current = await load();
      if (current && expiresAt !== undefined && expiresAt < now() + EARLY) {
        await abortable(renew(http, current.access_token), call.signal);
      }
      const headers: Record<string, string> = tokens ? { authorization: `Bearer ${tokens.access_token}` } : {};
      return { headers, mode: "omit" };
    },
    async recover(http, problem, used) {
      const old = used.headers["authorization"]?.replace("Bearer ", "");
      if (problem.status !== 401 || !old) return false;
      if (tokens?.access_token === old) await renew(http, old);
      return Boolean(tokens);
    },
    async accept(data) {
      const { tokens: found = data } = data as { tokens?: unknown };
      if (found && typeof found === "object" && "refresh_token" in found) await adopt(found as Tokens);
    },
    clear: () => adopt(null),
    async accessToken(http, old) {
      now = http.env.now;
      const current = await load();
      if (current && current.access_token === old) await renew(http, old);
      else if (current && expiresAt !== undefined && expiresAt < now() + EARLY) {
        await renew(http, current.access_token);
      }
      return tokens?.access_token;
    },
  };
}
