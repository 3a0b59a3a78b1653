// The typed fetch: any operation by its method and path, with the response itself.

import type { paths } from "./generated/openapi.js";
import type { Answer, Http } from "./http.js";
import { fillPath } from "./operation.js";
import type { BaseOptions } from "./options.js";

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
type Lower<M extends Method> = Lowercase<M>;

/** The paths that have operations of the method. */
export type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends { [K in Lower<M>]: { responses: unknown } } ? P : never;
}[keyof paths];

type At<M extends Method, P extends keyof paths> = Lower<M> extends keyof paths[P] ? paths[P][Lower<M>] : never;
type ParametersOf<O, In extends string> = O extends { parameters: { [K in In]: infer T } } ? T : undefined;
type QueryOf<O> = O extends { parameters: { query?: infer T } } ? T : undefined;
type BodyOf<O> = O extends { requestBody?: { content: { "application/json": infer T } } } ? T : FormData | undefined;
type Success = 200 | 201 | 202 | 204;

/** What the operation returns. */
export type ResultOf<O> = O extends { responses: infer R }
  ? { [S in keyof R & Success]: R[S] extends { content: { "application/json": infer T } } ? T : undefined }[keyof R &
      Success]
  : never;

type Given<Name extends string, T> = [T] extends [undefined | never]
  ? { [K in Name]?: undefined }
  : undefined extends T
    ? { [K in Name]?: T }
    : { [K in Name]: T };

/** The variables of the path, the query, the body, and options. */
export type RawInit<O> = BaseOptions &
  Given<"path", ParametersOf<O, "path">> &
  Given<"query", QueryOf<O>> &
  Given<"body", BodyOf<O>>;

/** The typed fetch. */
export type Raw = <M extends Method, P extends PathOf<M>>(
  method: M,
  path: P,
  init?: RawInit<At<M, P>>,
) => Promise<Answer<ResultOf<At<M, P>>>>;

export function rawFetch(http: Http): Raw {
  const raw = (method: Method, path: string, init: RawInit<never> & { path?: Record<string, unknown> } = {}) => {
    return http.call({ ...init, method, path: fillPath(path, [], init.path) });
  };
  return raw as unknown as Raw;
}
