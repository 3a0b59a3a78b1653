// The page of the browser tests: a small application on the client, in a real tab.

import { createClient, type Gateway, type GatewayOptions, type TokenStore, tokenAuth } from "../../src/index.js";

/** In the storage that the tabs of a site share. An application stores tokens in its platform's secure storage. */
const sharedStore: TokenStore = {
  load: () => JSON.parse(localStorage.getItem("tokens") ?? "null"),
  save: (tokens) => localStorage.setItem("tokens", JSON.stringify(tokens)),
};

function start(mode: "cookie" | "token") {
  const client = mode === "token" ? createClient({ auth: tokenAuth({ store: sharedStore }) }) : createClient();
  const texts = new Map<number, string | null>();
  const app = {
    client,
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
