// A post that is being written: its text and photos, their uploads, and the draft of it. It is no component, so that uploads and
// the draft do not depend on what is rendered.

import { type CreatePost, type Post, Problem } from "@blegram/client";
import { newId } from "../new-id";
import type { Draft, DraftStore, StoredPhoto, Visibility } from "./draft-store";
import type { Remote } from "./remote";
import { Uploads } from "./uploads";

export interface Photo extends StoredPhoto {
  /** The address of a preview. */
  url: string;
  state: "waiting" | "uploading" | "ready" | "failed";
  /** From 0 to 1. */
  progress: number;
  error?: unknown;
  /** What the server has as the description. */
  savedAlt: string;
  /** It belongs to the post that is edited, so it is not deleted before the edit is saved. */
  isOfPost: boolean;
}

export interface Content {
  text: string;
  visibility: Visibility;
  photos: Photo[];
}

/** Unused images are deleted by the server after a day. */
const USABLE = 20 * 3_600_000;

export class Editor {
  #content: Content;
  #key = newId();
  #sent: CreatePost | undefined;
  #saving: Promise<void> | undefined;
  #mustSave = false;
  #isClosed = false;
  readonly #uploads: Uploads;
  readonly #listeners = new Set<() => void>();

  constructor(
    content: Content,
    private readonly remote: Remote,
    /** Where the draft is stored; an edit has none. */
    private readonly draft?: { store: DraftStore; account: string },
  ) {
    this.#content = content;
    this.#uploads = new Uploads(remote, {
      photos: () => this.#content.photos,
      change: (id, change) => this.#changePhoto(id, change),
    });
  }

  /** Continues with the draft of an account, if it has one. */
  static async resume(remote: Remote, store: DraftStore, account: string, text = ""): Promise<Editor> {
    const draft = await store.load(account);
    const editor = new Editor({ text, visibility: "public", photos: [] }, remote, { store, account });
    if (draft) await editor.#restore(draft, store);
    return editor;
  }

  async #restore(draft: Draft, store: DraftStore): Promise<void> {
    this.#key = draft.key;
    this.#sent = draft.sent;
    const photos: Photo[] = [];
    for (const { id, alt, media } of draft.photos) {
      const file = await store.loadPhoto(id);
      if (!file) continue;
      this.#uploads.set(id, file);
      const isUsable = media !== undefined && (this.#sent !== undefined || Date.now() - media.at < USABLE);
      const base = { id, alt, url: URL.createObjectURL(file), progress: 0, savedAlt: "", isOfPost: false };
      photos.push(isUsable ? { ...base, media, state: "ready" } : { ...base, state: "waiting" });
    }
    this.#content = { text: draft.text || this.#content.text, visibility: draft.visibility, photos };
    this.#uploads.start();
  }

  get content(): Content {
    return this.#content;
  }

  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };
  readonly snapshot = () => this.#content;

  change(change: Partial<Content>): void {
    this.#show(change);
    this.#save();
  }

  #show(change: Partial<Content>): void {
    this.#content = { ...this.#content, ...change };
    for (const listener of this.#listeners) listener();
  }

  #changePhoto(id: string, change: Partial<Photo>): void {
    this.#show({ photos: this.#content.photos.map((photo) => (photo.id === id ? { ...photo, ...change } : photo)) });
    // How far an upload is, is not stored.
    if ("alt" in change || "media" in change) this.#save();
  }

  /** Adds files, each after it was prepared; fails for none: what is wrong with a file is said at its photo. */
  add(files: File[]): void {
    const photos = files.map((file): Photo => {
      const id = newId();
      this.#uploads.set(id, file);
      void this.draft?.store.savePhoto(id, file);
      const url = URL.createObjectURL(file);
      return { id, url, alt: "", savedAlt: "", state: "waiting", progress: 0, isOfPost: false };
    });
    this.change({ photos: [...this.#content.photos, ...photos] });
    this.#uploads.start();
  }

  describe(id: string, alt: string): void {
    this.#changePhoto(id, { alt });
  }

  /** Moves a photo to another place. */
  move(id: string, to: number): void {
    const { photos } = this.#content;
    const photo = photos.find((other) => other.id === id);
    if (!photo || to < 0 || to >= photos.length) return;
    const others = photos.filter((other) => other !== photo);
    this.change({ photos: [...others.slice(0, to), photo, ...others.slice(to)] });
  }

  remove(id: string): void {
    const photo = this.#content.photos.find((other) => other.id === id);
    this.change({ photos: this.#content.photos.filter((other) => other.id !== id) });
    if (photo) this.#release(photo, true);
    this.#uploads.start();
  }

  /** Tries to upload a photo again. */
  retry(id: string): void {
    this.#changePhoto(id, { state: "waiting", error: undefined });
    this.#uploads.start();
  }

  /** Frees what a photo holds: its preview, its upload and its place in the draft. */
  #release({ id, url, media, isOfPost }: Photo, isUnused: boolean): void {
    this.#uploads.drop(id);
    if (url.startsWith("blob:")) URL.revokeObjectURL(url);
    void this.draft?.store.removePhoto(id);
    if (isUnused && media && !isOfPost && !this.#sent?.media_ids?.includes(media.id)) this.remote.discard(media.id);
  }

  /** Whether all photos are on the server. */
  get isReady(): boolean {
    return this.#content.photos.every(({ state }) => state === "ready");
  }

  /** Whether an earlier attempt to send it may have arrived. */
  get isUncertain(): boolean {
    return this.#sent !== undefined;
  }

  /**
   * Sends the post. An earlier attempt may have arrived, so what it has sent is sent again with the same key, which stores it once,
   * and what was changed since is an edit of it.
   */
  async post(): Promise<Post> {
    await this.saveAlts();
    const body = this.body();
    const sent = this.#sent ?? body;
    this.#sent = sent;
    this.#save();
    // The draft says what was sent before it is.
    await this.#saving;
    const post = await this.#create(sent);
    return isSame(sent, body) ? post : this.remote.update(post.id, body);
  }

  async #create(body: CreatePost): Promise<Post> {
    try {
      return await this.remote.create(body, this.#key);
    } catch (error) {
      if (isRejected(error)) {
        this.#sent = undefined;
        this.#key = newId();
        if (isOfMedia(error)) this.#uploadAgain();
        this.#save();
      }
      throw error;
    }
  }

  /** The server no longer has an image: unused ones are deleted after a day. */
  #uploadAgain(): void {
    const photos = this.#content.photos.map(
      ({ media, ...photo }): Photo =>
        media && !photo.isOfPost ? { ...photo, state: "waiting" } : { ...photo, ...(media && { media }) },
    );
    this.change({ photos });
    this.#uploads.start();
  }

  body(): CreatePost & { media_ids: string[] } {
    const { text, visibility, photos } = this.#content;
    return { text, visibility, media_ids: photos.flatMap(({ media }) => (media ? [media.id] : [])) };
  }

  /** Stores the descriptions that have changed. */
  async saveAlts(): Promise<void> {
    await Promise.all(
      this.#content.photos.map(async ({ id, media, alt, savedAlt }) => {
        if (!media || alt.trim() === savedAlt) return;
        await this.remote.describe(media.id, alt.trim());
        this.#changePhoto(id, { savedAlt: alt.trim() });
      }),
    );
  }

  /** Stores the draft: one write at a time, and the latest state last. */
  #save(): void {
    this.#mustSave = true;
    this.#saving ??= this.#saveAll();
  }

  async #saveAll(): Promise<void> {
    while (this.#mustSave) {
      this.#mustSave = false;
      if (!this.draft || this.#isClosed) break;
      const { store, account } = this.draft;
      const { text, visibility, photos } = this.#content;
      const draft: Draft = {
        key: this.#key,
        text,
        visibility,
        photos: photos.map(({ id, alt, media }) => ({ id, alt, ...(media && { media }) })),
        ...(this.#sent && { sent: this.#sent }),
      };
      await store.save(account, draft);
    }
    this.#saving = undefined;
  }

  /** Leaves the draft as it is, for the next time. */
  close(): void {
    this.#isClosed = true;
    this.#uploads.close();
    for (const { url } of this.#content.photos) if (url.startsWith("blob:")) URL.revokeObjectURL(url);
  }

  /** Removes the draft: it was sent, or is not wanted. */
  async discard(isUnused: boolean): Promise<void> {
    this.#isClosed = true;
    await this.#saving;
    this.#uploads.close();
    for (const photo of this.#content.photos) this.#release(photo, isUnused);
    await this.draft?.store.remove(this.draft.account);
  }
}

const isSame = (a: CreatePost, b: CreatePost) =>
  a.text === b.text && a.visibility === b.visibility && String(a.media_ids) === String(b.media_ids);

/** Whether the post was certainly not stored. */
const isRejected = (error: unknown) =>
  error instanceof Problem && error.status < 500 && error.code !== "request-in-progress";

function isOfMedia(error: unknown): boolean {
  const { fields = {} } = error as { fields?: Record<string, unknown> };
  return Object.keys(fields).some((pointer) => pointer.startsWith("/media_ids"));
}
