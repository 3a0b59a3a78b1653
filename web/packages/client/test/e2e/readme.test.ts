// The examples of README.md compile, and those that are marked with `run` work.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";
import ts from "typescript";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import * as sdk from "../../src/index.js";
import { PHOTO } from "./photo.js";
import { PASSWORD, Server, unique } from "./server.js";

const README = new URL("../../README.md", import.meta.url);
const blocks = [...(await readFile(README, "utf8")).matchAll(/^```ts( run)?\n(.*?)^```$/gms)].map(
  ([, run, code = ""]) => ({ code, runs: run !== undefined }),
);

/** What the examples take from the application. */
const PRELUDE = `
import type { Client, Gateway } from "@blegram/client";
declare global {
  const SITE: string;
  const USERNAME: string;
  const PASSWORD: string;
  const file: Blob;
  const conversation: string;
  const friend: string;
  const blegram: Client;
  const live: Gateway;
  const clientId: string;
  function ask(question: string): Promise<string>;
}
`;

test("they compile in strict mode, for bundlers and for Node", () => {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const sources = new Map<string, string>(
    blocks.map(({ code }, index) => [`${root}readme-${index}.ts`, `${code}\nexport {};\n`]),
  ).set(`${root}readme-prelude.d.ts`, PRELUDE);
  for (const [module, moduleResolution] of [
    [ts.ModuleKind.ESNext, ts.ModuleResolutionKind.Bundler],
    [ts.ModuleKind.Node16, ts.ModuleResolutionKind.Node16],
  ] as const) {
    const options: ts.CompilerOptions = {
      module,
      moduleResolution,
      target: ts.ScriptTarget.ES2022,
      lib: ["lib.es2023.d.ts", "lib.dom.d.ts"],
      types: ["ws"],
      strict: true,
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: true,
      noEmit: true,
      paths: { "@blegram/client": [`${root}src/index.ts`] },
    };
    const host = ts.createCompilerHost(options);
    const { fileExists, readFile, getSourceFile } = host;
    host.fileExists = (name) => sources.has(name) || fileExists.call(host, name);
    host.readFile = (name) => sources.get(name) ?? readFile.call(host, name);
    host.getSourceFile = (name, version, ...rest) => {
      const text = sources.get(name);
      return text === undefined
        ? getSourceFile.call(host, name, version, ...rest)
        : ts.createSourceFile(name, text, version);
    };
    const program = ts.createProgram([...sources.keys()], options, host);
    const messages = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
      const line = file && start !== undefined ? file.text.slice(0, start).split("\n").length : 0;
      return `${file?.fileName.replace(root, "")}:${line}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
    });
    expect(messages).toEqual([]);
  }
});

let server: Server;
const log: string[] = [];
const ARRIVED = "once each, in order 안녕하세요";
let hasArrived = () => {};
const arrival = new Promise<void>((resolve) => {
  hasArrived = resolve;
});
function write(...values: unknown[]): void {
  log.push(values.join(" "));
  if (log.at(-1) === ARRIVED) hasArrived();
}
let scope: Record<string, unknown>;

beforeAll(async () => {
  server = await Server.start();
  const username = unique("reader");
  const environment = { openSocket: (url: string, protocols: string[]) => new WebSocket(url, protocols) as never };
  const createClient = (options: sdk.ClientOptions) =>
    sdk.createClient({ auth: sdk.tokenAuth(), environment, ...options });
  const blegram = createClient({ baseUrl: server.url });
  const friend = await server.client(unique("friend"));
  const { id: friendId } = await friend.users.getMe();
  const shared: Record<string, unknown> = {
    ...sdk,
    createClient,
    console: { log: write },
    SITE: server.url,
    USERNAME: username,
    PASSWORD,
    file: new Blob([PHOTO], { type: "image/png" }),
    friend: friendId,
    blegram,
    ask: async () => "",
    get conversation() {
      return this["_conversation"];
    },
  };
  scope = shared;
  scope["start"] = async () => {
    const { id } = await blegram.conversations.create({ members: [friendId] });
    scope["_conversation"] = id;
  };
});
afterAll(() => server.stop());

const AsyncFunction = (async () => {}).constructor as new (
  ...names: string[]
) => (...values: unknown[]) => Promise<object>;

test.each(blocks.flatMap(({ code, runs }, index) => (runs ? [[index, code] as const] : [])))(
  "example %i runs",
  async (_, code) => {
    if (code.includes("conversation") && !scope["_conversation"]) await (scope["start"] as () => Promise<void>)();
    const { code: script } = await transform(code.replace(/^import .*$/gm, ""), { loader: "ts", target: "es2022" });
    // What an example declares is there for the next ones, except for a client without a login.
    const declared = [...code.matchAll(/^const (?:\{ (\w+)[^}]*\}|(\w+))/gm)].map(([, a, b]) => a ?? b);
    const names = Object.keys(scope).filter((name) => !declared.includes(name) && name !== "_conversation");
    if (code.includes("live.close()")) await arrival;
    const run = new AsyncFunction(...names, `${script}\nreturn { ${declared.join(", ")} };`);
    const result = (await run(...names.map((name) => scope[name]))) as Record<string, unknown>;
    const { blegram: _own, ...others } = result;
    Object.assign(scope, others);
  },
);

test("the examples did what they say", () => {
  expect(log).toContain(ARRIVED);
  expect(log.some((line) => /^\d+\.\d+\.\d+$/.test(line))).toBe(true);
  expect(log.some((line) => line.includes("2200") || line.includes("2,200"))).toBe(true);
});
