// A login that expires while the connection is open. The shortest that a server supports is a minute.

import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { Server, unique } from "./server.js";

let server: Server;
beforeAll(async () => {
  server = await Server.start({ BLEGRAM_ACCOUNTS__ACCESS_TOKEN_MINUTES: "1", BLEGRAM_GATEWAY__HEARTBEAT_SECONDS: "5" });
});
afterAll(() => server.stop());

test("the connection outlives its access token", { timeout: 120_000 }, async () => {
  const sockets: WebSocket[] = [];
  const renewals: { access_token?: string }[] = [];
  let survived = () => {};
  const survival = new Promise<void>((resolve) => {
    survived = resolve;
  });
  const start = performance.now();
  class Observed extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      sockets.push(this);
      // A ping after the first token has expired: the server has not closed the connection.
      this.on("message", (data) => {
        if (String(data).startsWith('{"ping"') && performance.now() - start > 66_000) survived();
      });
    }
    override send(text: never): void {
      const { op, d } = JSON.parse(text);
      if (op === "auth") renewals.push(d);
      super.send(text);
    }
  }
  const environment = { openSocket: (url: string, protocols: string[]) => new Observed(url, protocols) as never };
  const ann = await server.client(unique("ann"), { environment });
  const gateway = ann.gateway();
  const disconnections: unknown[] = [];
  gateway.on("disconnected", (data) => disconnections.push(data));
  await survival;
  gateway.close();
  expect(renewals.length).toBeGreaterThanOrEqual(1);
  expect(renewals[0]?.access_token).toMatch(/^ey/);
  expect([sockets.length, disconnections]).toEqual([1, []]);
});
