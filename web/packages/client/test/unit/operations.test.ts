// The groups have every operation of the document, and each method calls what the document says.

import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
// @ts-expect-error: a script without types.
import { groupOf, methodNames, methodOf } from "../../scripts/names.mjs";
import { operations } from "../../src/generated/operations.js";
import { createClient, Pages } from "../../src/index.js";
import { parseOperations } from "../../src/operation.js";
import { json, Platform } from "./platform.js";

interface Parameter {
  $ref?: string;
  name?: string;
  in?: string;
}
interface Documented {
  operationId: string;
  path: string;
  method: string;
  tags: string[];
  parameters?: Parameter[];
  responses: Record<string, unknown>;
  requestBody?: { content: Record<string, unknown> };
}

const document = JSON.parse(await readFile(new URL("../../../../../docs/openapi.json", import.meta.url), "utf8"));
const documented: Documented[] = Object.entries(document.paths as Record<string, Record<string, Documented>>).flatMap(
  ([path, item]) => Object.entries(item).map(([method, found]) => ({ ...found, path, method: method.toUpperCase() })),
);
const parameters = ({ parameters = [] }: Documented) =>
  parameters.map(
    ({ $ref, ...parameter }): Parameter =>
      $ref ? document.components.parameters[$ref.slice("#/components/parameters/".length)] : parameter,
  );

const table = Object.entries(operations).flatMap(([group, lines]) =>
  parseOperations(lines).map((operation) => ({ group, ...operation })),
);

test("every operation of the document has one method", () => {
  const key = ({ method, path }: { method: string; path: string }) => `${method} ${path.replace(/\{\w+\}/g, "*")}`;
  expect(table.map(key).sort()).toEqual(documented.map(key).sort());
  expect(new Set(table.map(({ group, name }) => `${group}.${name}`)).size).toBe(table.length);
});

test("methods are the operationIds without the noun of their group", () => {
  const names = Object.fromEntries(
    documented.map((operation) => [operation.operationId, `${groupOf(operation)}.${methodOf(operation)}`]),
  );
  expect(names).toMatchObject({
    createPost: "posts.create",
    getPost: "posts.get",
    getPosts: "posts.getMany",
    listPostLikers: "posts.listLikers",
    getHomeTimeline: "timelines.home",
    followUser: "users.follow",
    changeUsername: "users.changeUsername",
    updateMe: "users.updateMe",
    listFactors: "secondFactor.list",
    markNotificationsRead: "notifications.markRead",
    sendMessage: "conversations.sendMessage",
    uploadMedia: "media.upload",
    sync: "conversations.sync",
  });
});

test("two operations with the same name are not generated", () => {
  const both = [
    { operationId: "getPost", tags: ["Posts"], path: "/posts/{post}" },
    { operationId: "get", tags: ["Posts"], path: "/posts/any" },
  ];
  expect(() => methodNames(both)).toThrow("both be posts.get");
});

describe("each method", () => {
  test.each(documented.map((operation) => [operation.operationId, operation] as const))("%s", async (_, operation) => {
    const platform = new Platform([() => json(200, { items: [], next_cursor: null, prev_cursor: null })]);
    const client = createClient({ environment: platform.environment });
    const groups = client as unknown as Record<string, Record<string, (...values: unknown[]) => unknown>>;
    const variables = [...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => `of ${name}`);
    const type = Object.keys(operation.requestBody?.content ?? {})[0];
    const input = type === "multipart/form-data" ? [new FormData()] : type === "application/json" ? [{ field: 1 }] : [];
    const hasQuery = parameters(operation).some((parameter) => parameter.in === "query");
    const values = [...variables, ...input, ...(hasQuery ? [{ q: "노을" }] : [])];
    const result = groups[groupOf(operation)]?.[methodOf(operation)]?.(...values);
    const path = operation.path.replace(/\{(\w+)\}/g, (__, name) => encodeURIComponent(`of ${name}`));
    const url = `https://example.org${path}${hasQuery ? `?q=${encodeURIComponent("노을")}` : ""}`;
    if (typeof result === "string") {
      // There is nothing to read.
      expect(Object.keys(operation.responses).some((status) => status.startsWith("2"))).toBe(false);
      expect(result).toBe(url);
      return;
    }
    await (result instanceof Pages ? result.page() : result);
    const [request] = platform.requests;
    expect(request).toMatchObject({ method: operation.method, url });
    const takesKey = parameters(operation).some(({ name }) => name === "Idempotency-Key");
    expect("idempotency-key" in (request?.headers ?? {})).toBe(takesKey);
    if (type === "application/json") expect(request?.body).toMatchObject({ field: 1 });
  });
});
