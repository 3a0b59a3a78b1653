// The page of the browser tests: a small application on the client, in a real tab.

import {
  createClient,
  type Gateway,
  type GatewayOptions,
  type TokenStore,
  type Tokens,
  tokenAuth,
} from "../../src/index.js";

/**
 * Shared by the tabs of a site. `localStorage` would not do: one tab may still read what another one has replaced. An application
 * stores tokens in its platform's secure storage.
 */
const sharedStore: TokenStore = {
  load: () => inTokens("readonly", (tokens) => tokens.get(0)),
  save: async (next) => {
    await inTokens("readwrite", (tokens) => tokens.put(next, 0));
  },
};

function inTokens<T>(mode: IDBTransactionMode, run: (tokens: IDBObjectStore) => IDBRequest<T>): Promise<Tokens | null> {
  return new Promise((resolve, reject) => {
    const open = indexedDB.open("tokens");
    open.onupgradeneeded = () => open.result.createObjectStore("tokens");
    open.onerror = () => reject(open.error);
    open.onsuccess = () => {
      const transaction = open.result.transaction("tokens", mode);
      const request = run(transaction.objectStore("tokens"));
      transaction.onabort = () => reject(transaction.error);
      transaction.oncomplete = () => {
        open.result.close();
        resolve((request.result as Tokens | undefined) ?? null);
      };
    };
  });
}

function start(mode: "cookie" | "token") {
  const client = mode === "token" ? createClient({ auth: tokenAuth({ store: sharedStore }) }) : createClient();
  const texts = new Map<number, string | null>();
  const app = {
    client,
    store: sharedStore,
    repeated: 0,
    log: [] as string[],
    stopped: null as unknown,
    gateway: undefined as Gateway | undefined,
    isConnected: false,
    texts: () => [...texts.keys()].sort((a, b) => a - b).map((no) => texts.get(no)),
    open(conversation: string, options: GatewayOptions = {}) {
      const gateway = client.gateway(options);
      const show = (no: number, text: string | null) => {
        if (texts.has(no)) app.repeated++;
        texts.set(no, text);
      };
      gateway.on("loaded", ({ messages, known }) => {
        for (const { message_no, text } of messages) if (message_no > (known ?? 0)) show(message_no, text);
      });
      gateway.on("message.created", ({ message }) => {
        if (message) show(message.message_no, message.text);
      });
      gateway.on("connected", () => {
        app.isConnected = true;
      });
      gateway.on("disconnected", ({ reason }) => {
        app.isConnected = false;
        app.log.push(reason);
      });
      gateway.on("warning", ({ detail }) => app.log.push(detail));
      gateway.on("typing", () => app.log.push("typing"));
      gateway.on("stopped", (data) => {
        app.stopped = data;
      });
      gateway.follow(conversation);
      app.gateway = gateway;
    },
    async sendAll(conversation: string, messages: string[]) {
      for (const text of messages) await app.gateway?.send(conversation, { text });
    },
  };
  return app;
}

declare global {
  interface Window {
    start: typeof start;
    createClient: typeof createClient;
    app: ReturnType<typeof start>;
  }
}
window.start = start;
window.createClient = createClient;
