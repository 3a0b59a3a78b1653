// Images: as a form, or straight to the storage.

import type { Media, MediaUpload, Upload } from "./generated/models.js";
import type { Call, Http } from "./http.js";
import { NetworkError } from "./problem.js";

/** An image to upload; React Native describes a file by its `uri`. */
export type ImageFile = Blob | { uri: string; name: string; type: string };

/** An image with its alt text, for people who do not see it. */
export interface ImageUpload {
  file: ImageFile;
  alt?: string | undefined;
  /** The name of the file; default: its own. */
  name?: string | undefined;
}

export interface UploadOptions {
  signal?: AbortSignal | undefined;
  timeout?: number | undefined;
  idempotencyKey?: string | undefined;
  /** Is called with the bytes that were sent, on platforms with `XMLHttpRequest`: browsers and React Native. */
  onProgress?: ((sent: number, total: number) => void) | undefined;
}

/** An image, or an image with its alt text. */
export type ImageInput = ImageFile | ImageUpload;

const isUpload = (input: ImageInput): input is ImageUpload => "file" in input;
const withAlt = (input: ImageInput): ImageUpload => (isUpload(input) ? input : { file: input });

/** Uploads up to ten images as a form. Rejected ones are in `problems`. */
export async function uploadForm(
  http: Http,
  inputs: ImageInput | ImageInput[] | FormData,
  options: UploadOptions = {},
): Promise<MediaUpload> {
  const { onProgress, ...others } = options;
  const body = inputs instanceof FormData ? inputs : form([inputs].flat().map(withAlt));
  const call: Call = {
    idempotencyKey: true,
    ...others,
    method: "POST",
    path: "/api/v1/media",
    body,
    fetch: progressFetch(http, onProgress),
  };
  return (await http.call<MediaUpload>(call)).data;
}

/** Every file has a text, so that the texts stay in the order of the files. */
function form(uploads: ImageUpload[]): FormData {
  const form = new FormData();
  for (const { file, alt = "", name } of uploads) {
    const fileName = name ?? ("name" in file ? (file.name as string) : "image");
    form.append("file", file as Blob, fileName);
    form.append("alt", alt);
  }
  return form;
}

/**
 * Uploads an image straight to the storage: announces it, sends it, completes it. One that fails or is aborted counts
 * against the quota until the server deletes it, after two hours.
 */
export async function uploadDirect(
  http: Http,
  input: Blob | (ImageUpload & { file: Blob }),
  options: UploadOptions = {},
): Promise<Media> {
  const { file, alt } = isUpload(input) ? input : { file: input, alt: undefined };
  const { onProgress, signal, timeout, idempotencyKey } = options;
  const calls = { signal, timeout };
  const start: Call = {
    ...calls,
    method: "POST",
    path: "/api/v1/media/uploads",
    body: { content_type: file.type, byte_size: file.size },
    idempotencyKey: idempotencyKey ?? true,
  };
  const { id, url, method, headers } = (await http.call<Upload>(start)).data;
  await http.call({
    ...calls,
    method,
    path: url,
    headers: headers as Record<string, string>,
    body: file,
    fetch: progressFetch(http, onProgress),
    isAnonymous: true,
  });
  const complete: Call = {
    ...calls,
    method: "POST",
    path: `/api/v1/media/uploads/${id}/complete`,
    idempotencyKey: true,
  };
  const { data } = await http.call<Media>(complete);
  if (!alt) return data;
  const update: Call = {
    ...calls,
    method: "PATCH",
    path: `/api/v1/media/${data.id}`,
    body: { alt },
    idempotencyKey: true,
  };
  return (await http.call<Media>(update)).data;
}

function progressFetch(http: Http, report: UploadOptions["onProgress"]): typeof fetch | undefined {
  const { XMLHttpRequest } = http.env;
  if (!report || !XMLHttpRequest) return undefined;
  return (url, init) => xhrFetch(XMLHttpRequest, String(url), init ?? {}, report);
}

/** `fetch` by an `XMLHttpRequest`, which reports how much of the body was sent. With the headers that the client reads. */
function xhrFetch(
  Xhr: typeof XMLHttpRequest,
  url: string,
  { method = "GET", headers, body, signal, credentials }: RequestInit,
  report: (sent: number, total: number) => void,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const xhr = new Xhr();
    xhr.open(method, url);
    xhr.withCredentials = credentials === "include";
    for (const [name, value] of Object.entries(headers as Record<string, string>)) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = (event) => report(event.loaded, event.total);
    xhr.onload = () => {
      const received = new Headers();
      for (const name of ["etag", "retry-after", "x-request-id"]) received.set(name, xhr.getResponseHeader(name) ?? "");
      // A 204 must not have a body, not even an empty one.
      resolve(new Response(xhr.responseText || null, { status: xhr.status, headers: received }));
    };
    const fail = () => reject(new NetworkError("no response"));
    xhr.onerror = fail;
    xhr.onabort = fail;
    signal?.addEventListener("abort", () => xhr.abort(), { once: true });
    xhr.send(body as XMLHttpRequestBodyInit);
  });
}
