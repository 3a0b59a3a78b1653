// Where messages wait until the server has stored them.

import type { CommandError } from "../generated/gateway.js";
import type { Draft } from "./io.js";

/** A message that was not sent yet. */
export interface PendingMessage {
  draft: Draft;
  /** Why it was rejected; without it, the message will be sent. */
  error?: CommandError | undefined;
}

/** A stored message, and the tab that sends it. */
export interface OutboxEntry extends PendingMessage {
  tab: string;
}

/** Stores messages, in the order of their first `put`. */
export interface OutboxStore {
  load(): Promise<OutboxEntry[]>;
  /** Adds a message, or replaces the one with its `client_id`. */
  put(entry: OutboxEntry): Promise<void>;
  delete(clientId: string): Promise<void>;
}

/** Stores messages as long as the program runs. */
export function memoryOutbox(): OutboxStore {
  const entries = new Map<string, OutboxEntry>();
  return {
    load: async () => [...entries.values()],
    put: async (entry) => {
      entries.set(entry.draft.client_id, entry);
    },
    delete: async (clientId) => {
      entries.delete(clientId);
    },
  };
}

const STORE = "outbox";
type Row = OutboxEntry & { clientId: string; order?: number };

/**
 * Stores messages in IndexedDB, so that they survive the page. Every operation opens the database: the browser closes it when
 * the data of the site is cleared, for example by a logout.
 */
export function indexedDbOutbox(factory: IDBFactory, name: string): OutboxStore {
  async function run<T>(
    mode: IDBTransactionMode,
    work: (store: IDBObjectStore) => IDBRequest<T> | undefined,
  ): Promise<T> {
    const open = factory.open(name, 1);
    open.onupgradeneeded = () => {
      const store = open.result.createObjectStore(STORE, { keyPath: "order", autoIncrement: true });
      store.createIndex("clientId", "clientId", { unique: true });
    };
    const database = await promise(open);
    try {
      const transaction = database.transaction(STORE, mode);
      const request = work(transaction.objectStore(STORE));
      return await new Promise<T>((resolve, reject) => {
        transaction.oncomplete = () => resolve(request?.result as T);
        transaction.onabort = () => reject(transaction.error);
      });
    } finally {
      database.close();
    }
  }

  /** Calls `then` in the same transaction with the key of a message. */
  function withKey(store: IDBObjectStore, clientId: string, then: (key: IDBValidKey | undefined) => void): undefined {
    const request = store.index("clientId").getKey(clientId);
    request.onsuccess = () => then(request.result);
  }

  return {
    load: async () =>
      (await run<Row[]>("readonly", (store) => store.getAll())).map(({ draft, error, tab }) => ({ draft, error, tab })),
    put: (entry) =>
      run<void>("readwrite", (store) =>
        withKey(store, entry.draft.client_id, (order) => {
          store.put({ ...entry, clientId: entry.draft.client_id, ...(order !== undefined && { order }) });
        }),
      ),
    delete: (clientId) =>
      run<void>("readwrite", (store) =>
        withKey(store, clientId, (key) => {
          if (key !== undefined) store.delete(key);
        }),
      ),
  };
}

function promise<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
