// Drafts of posts, in IndexedDB: they survive a reload, a crash and a new version of the app. Photos are stored apart from the
// text, so that a letter does not write megabytes.

import type { CreatePost } from "@blegram/client";

export type Visibility = "public" | "followers";

export interface StoredPhoto {
  id: string;
  alt: string;
  /** The image on the server, if it was uploaded, and when. */
  media?: { id: string; at: number };
}

export interface Draft {
  /** The idempotency key: a post is stored once, however often it is sent. */
  key: string;
  text: string;
  visibility: Visibility;
  photos: StoredPhoto[];
  /** What was sent, if it is unknown whether it arrived. */
  sent?: CreatePost;
}

/** Where drafts are stored, by account. */
export interface DraftStore {
  load(account: string): Promise<Draft | undefined>;
  save(account: string, draft: Draft): Promise<void>;
  remove(account: string): Promise<void>;
  loadPhoto(id: string): Promise<File | undefined>;
  savePhoto(id: string, file: File): Promise<void>;
  removePhoto(id: string): Promise<void>;
}

const DRAFTS = "drafts";
const PHOTOS = "photos";

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("blegram-drafts", 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(DRAFTS);
      request.result.createObjectStore(PHOTOS);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

let database: Promise<IDBDatabase> | undefined;
/** For browsers without storage, such as some private windows: drafts last as long as the page. */
const memory = new Map<string, unknown>();

async function run<T>(store: string, key: string, mode: IDBTransactionMode, value?: unknown): Promise<T | undefined> {
  try {
    database ??= open();
    const transaction = (await database).transaction(store, mode);
    const objects = transaction.objectStore(store);
    const request: IDBRequest =
      mode === "readonly" ? objects.get(key) : value === undefined ? objects.delete(key) : objects.put(value, key);
    return await new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(request.result as T);
      transaction.onabort = () => reject(transaction.error);
    });
  } catch {
    database = undefined;
    const place = `${store} ${key}`;
    if (mode === "readonly") return memory.get(place) as T | undefined;
    if (value === undefined) memory.delete(place);
    else memory.set(place, value);
    return undefined;
  }
}

const write = (store: string, key: string, value?: unknown) => run<void>(store, key, "readwrite", value);

export const drafts: DraftStore = {
  load: (account) => run(DRAFTS, account, "readonly"),
  save: (account, draft) => write(DRAFTS, account, draft),
  remove: (account) => write(DRAFTS, account),
  loadPhoto: (id) => run(PHOTOS, id, "readonly"),
  savePhoto: (id, file) => write(PHOTOS, id, file),
  removePhoto: (id) => write(PHOTOS, id),
};
