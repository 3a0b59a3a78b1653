// The groups of operations, from the table that `npm run gen` makes of the document.

import type { Groups } from "./generated/groups.js";
import { operations } from "./generated/operations.js";
import type { Answer, Call, Http } from "./http.js";
import type { BaseOptions } from "./options.js";
import { type PageOf, Pages } from "./pages.js";

/** An operation of the table: `create POST /posts bk`. */
export interface Operation {
  name: string;
  method: string;
  /** With `*` for each variable. */
  path: string;
  /**
   * b JSON body, f form body, q query, c body with `client`, k takes an `Idempotency-Key`, n needs no login, r idempotent,
   * p query that is answered by pages, a oldest first, u has no response to read: its method returns the URL.
   */
  has(flag: string): boolean;
}

/** The operations of a group. */
export function parseOperations(lines: string): Operation[] {
  return lines.split(",").map((line) => {
    // GET is left out.
    const [name = "", method = "", path = "", flags = ""] = line.replace(/^(\w+) \//, "$1 GET /").split(" ");
    return { name, method, path: path.startsWith("/.") ? path : `/api/v1${path}`, has: (flag) => flags.includes(flag) };
  });
}

/** The path with its variables; takes them from the front of `values`. */
export function fillPath(path: string, values: unknown[], named: Record<string, unknown> = {}): string {
  return path.replace(/\*|\{(\w+)\}/g, (_, name: string | undefined) => {
    const value = name ? named[name] : values.shift();
    // An empty one would be the path of another operation.
    if (typeof value !== "string" || !value) throw new TypeError(`an id of ${path} is missing`);
    return encodeURIComponent(value);
  });
}

type Extra = BaseOptions & { idempotencyKey?: string; ifMatch?: string };

function invoke(http: Http, operation: Operation, values: unknown[]): unknown {
  const path = fillPath(operation.path, values);
  const hasBody = operation.has("b") || operation.has("f");
  let body = hasBody ? values.shift() : undefined;
  const query = operation.has("q") || operation.has("p") ? (values.shift() as object | undefined) : undefined;
  if (operation.has("u")) return http.url(path, query);
  if (operation.has("c")) body = { ...(body as object), client: http.auth.client };
  const options = (values.shift() ?? {}) as Extra;
  const call: Call = {
    ...options,
    method: operation.method,
    path,
    query,
    body,
    idempotencyKey: options.idempotencyKey ?? operation.has("k"),
    isAnonymous: operation.has("n"),
    isRepeatable: operation.has("r"),
  };
  const send = async (more?: object) =>
    ((await http.call({ ...call, query: { ...query, ...more } })) as Answer<PageOf<unknown>>).data;
  return operation.has("p") ? new Pages(send, operation.has("a")) : send();
}

/** All groups with their methods. */
export function bindGroups(http: Http): Groups {
  const groups: Record<string, Record<string, unknown>> = {};
  for (const [group, lines] of Object.entries(operations)) {
    const methods: Record<string, unknown> = {};
    for (const operation of parseOperations(lines)) {
      methods[operation.name] = (...values: unknown[]) => invoke(http, operation, values);
    }
    groups[group] = methods;
  }
  return groups as unknown as Groups;
}
