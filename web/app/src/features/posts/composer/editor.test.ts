import { type CreatePost, type Media, NetworkError, type Post, Problem } from "@blegram/client";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Draft, DraftStore } from "./draft-store";
import { Editor } from "./editor";
import type { Remote } from "./remote";

/** A server that stores a post once for each key, and can lose its responses. */
function server() {
  const posts = new Map<string, Post>();
  const calls: string[] = [];
  let uploads = 0;
  const state = {
    loses: false,
    rejects: undefined as Problem | undefined,
    rejectsEdits: false,
    discarded: [] as string[],
  };
  const remote: Remote = {
    upload: vi.fn(async () => ({ id: `m${++uploads}` }) as Media),
    describe: vi.fn(async () => {}),
    discard: (id) => state.discarded.push(id),
    create: async (post, key) => {
      calls.push(`create ${key} ${post.text}`);
      if (state.rejects) throw state.rejects;
      const stored = posts.get(key) ?? ({ id: `p${posts.size + 1}`, ...post } as unknown as Post);
      posts.set(key, stored);
      if (state.loses) throw new NetworkError("no response");
      return stored;
    },
    update: async (id, post) => {
      if (state.rejectsEdits) throw new Problem(422, { code: "invalid", errors: [] });
      for (const [key, stored] of posts) if (stored.id === id) posts.set(key, { ...stored, ...post } as Post);
      return [...posts.values()].find((stored) => stored.id === id) as Post;
    },
  };
  return { remote, state, calls, texts: () => [...posts.values()].map(({ text }) => text) };
}

/** Storage that outlives the editor, as that of a browser outlives the page. */
function storage() {
  const drafts = new Map<string, Draft>();
  const photos = new Map<string, File>();
  const store: DraftStore = {
    load: async (account) => structuredClone(drafts.get(account)),
    async save(account, draft) {
      const stored = structuredClone(draft);
      // A disk is slower than memory.
      await new Promise((resolve) => setTimeout(resolve));
      drafts.set(account, stored);
    },
    remove: async (account) => void drafts.delete(account),
    loadPhoto: async (id) => photos.get(id),
    savePhoto: async (id, file) => void photos.set(id, file),
    removePhoto: async (id) => void photos.delete(id),
  };
  return { store, drafts, photos };
}

const file = () => new File(["x"], "a.png", { type: "image/png" });
const settled = (editor: Editor) => vi.waitFor(() => expect(editor.isReady).toBe(true));
const rejected = (status: number, code: string, errors: { pointer: string; code: string; detail: string }[] = []) =>
  new Problem(status, { code, errors });

beforeEach(() => {
  vi.spyOn(URL, "createObjectURL").mockReturnValue("blob:x");
  vi.spyOn(URL, "revokeObjectURL").mockReturnValue();
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("a draft", () => {
  test("is there again, with its photos, which are not uploaded twice", async () => {
    const { remote } = server();
    const { store } = storage();
    const first = await Editor.resume(remote, store, "ann");
    first.change({ text: "hello", visibility: "followers" });
    first.add([file(), file()]);
    await settled(first);
    const [photo] = first.content.photos;
    first.describe(photo?.id ?? "", "a lake");
    await vi.waitFor(async () => expect((await store.load("ann"))?.photos[0]?.alt).toBe("a lake"));
    first.close();

    const again = await Editor.resume(remote, store, "ann");
    expect(again.content).toMatchObject({ text: "hello", visibility: "followers" });
    expect(again.content.photos.map(({ alt, state }) => [alt, state])).toEqual([
      ["a lake", "ready"],
      ["", "ready"],
    ]);
    expect(remote.upload).toHaveBeenCalledTimes(2);
    expect((await Editor.resume(remote, store, "bob")).content.text).toBe("");
  });

  test("uploads photos again that the server has deleted by now", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { remote } = server();
    const { store } = storage();
    const first = await Editor.resume(remote, store, "ann");
    first.add([file()]);
    await settled(first);
    await vi.waitFor(async () => expect((await store.load("ann"))?.photos[0]?.media).toBeDefined());
    vi.setSystemTime(Date.now() + 21 * 3_600_000);
    const again = await Editor.resume(remote, store, "ann");
    await settled(again);
    expect(again.body().media_ids).toEqual(["m2"]);
  });

  test("leaves nothing behind when it is discarded", async () => {
    const { remote, state } = server();
    const { store, drafts, photos } = storage();
    const editor = await Editor.resume(remote, store, "ann");
    editor.change({ text: "x" });
    editor.add([file()]);
    await settled(editor);
    await editor.discard(true);
    expect([drafts.size, photos.size]).toEqual([0, 0]);
    expect(state.discarded).toEqual(["m1"]);
  });
});

describe("photos", () => {
  test("are sent in the order of the writer, and removed ones are not", async () => {
    const { remote, state } = server();
    const editor = new Editor({ text: "", visibility: "public", photos: [] }, remote);
    editor.add([file(), file(), file()]);
    await settled(editor);
    const [a, b, c] = editor.content.photos.map(({ id }) => id);
    editor.move(c ?? "", 0);
    editor.move(a ?? "", 3);
    editor.remove(b ?? "");
    expect(editor.body().media_ids).toEqual(["m3", "m1"]);
    expect(state.discarded).toEqual(["m2"]);
  });

  test("one that fails does not stop the others, and can be tried again", async () => {
    const { remote } = server();
    vi.mocked(remote.upload).mockRejectedValueOnce(new NetworkError("no response"));
    const editor = new Editor({ text: "", visibility: "public", photos: [] }, remote);
    editor.add([file(), file(), file()]);
    await vi.waitFor(() =>
      expect(editor.content.photos.map(({ state }) => state)).toEqual(["failed", "ready", "ready"]),
    );
    expect(editor.isReady).toBe(false);
    editor.retry(editor.content.photos[0]?.id ?? "");
    await settled(editor);
  });

  test("of the post that is edited are not deleted before the edit is saved", () => {
    const { remote, state } = server();
    const photo = {
      id: "a",
      alt: "",
      savedAlt: "",
      url: "/a.webp",
      state: "ready",
      progress: 1,
      isOfPost: true,
    } as const;
    const editor = new Editor(
      { text: "", visibility: "public", photos: [{ ...photo, media: { id: "m", at: 0 } }] },
      remote,
    );
    editor.remove("a");
    expect(state.discarded).toEqual([]);
  });
});

describe("a post", () => {
  const write = async (text: string, { remote }: ReturnType<typeof server>, { store }: ReturnType<typeof storage>) => {
    const editor = await Editor.resume(remote, store, "ann");
    editor.change({ text });
    return editor;
  };

  test("whose response is lost is stored once, also after a crash", async () => {
    const [site, disk] = [server(), storage()];
    const editor = await write("hello", site, disk);
    site.state.loses = true;
    await expect(editor.post()).rejects.toThrow();
    expect(editor.isUncertain).toBe(true);
    await expect(editor.post()).rejects.toThrow();
    site.state.loses = false;
    const again = await Editor.resume(site.remote, disk.store, "ann");
    await again.post();
    expect(site.texts()).toEqual(["hello"]);
    expect(new Set(site.calls).size).toBe(1);
  });

  test("is in the draft before it is sent", async () => {
    const [site, disk] = [server(), storage()];
    const editor = await write("hello", site, disk);
    const create = vi.spyOn(site.remote, "create").mockImplementation(async (post) => {
      expect(disk.drafts.get("ann")?.sent).toEqual(post);
      throw new NetworkError("no response");
    });
    await expect(editor.post()).rejects.toThrow("no response");
    expect(create).toHaveBeenCalledOnce();
  });

  test("that was changed after its response was lost is stored once, as it is now", async () => {
    const [site, disk] = [server(), storage()];
    const editor = await write("hello", site, disk);
    site.state.loses = true;
    await expect(editor.post()).rejects.toThrow();
    site.state.loses = false;
    editor.change({ text: "hello again" });
    await editor.post();
    expect(site.texts()).toEqual(["hello again"]);
  });

  test("is not stored twice if that change is rejected", async () => {
    const [site, disk] = [server(), storage()];
    const editor = await write("hello", site, disk);
    site.state.loses = true;
    await expect(editor.post()).rejects.toThrow();
    Object.assign(site.state, { loses: false, rejectsEdits: true });
    editor.change({ text: "too long" });
    await expect(editor.post()).rejects.toThrow();
    site.state.rejectsEdits = false;
    editor.change({ text: "short" });
    await editor.post();
    expect(site.texts()).toEqual(["short"]);
  });

  test("that was rejected is sent with another key", async () => {
    const [site, disk] = [server(), storage()];
    const editor = await write("hello", site, disk);
    site.state.rejects = rejected(422, "invalid");
    await expect(editor.post()).rejects.toThrow();
    expect(editor.isUncertain).toBe(false);
    site.state.rejects = undefined;
    editor.change({ text: "better" });
    await editor.post();
    expect(site.texts()).toEqual(["better"]);
    expect(new Set(site.calls.map((call) => call.split(" ")[1])).size).toBe(2);
  });

  test("that is still being stored is not sent with another key", async () => {
    const [site, disk] = [server(), storage()];
    const editor = await write("hello", site, disk);
    for (const problem of [rejected(409, "request-in-progress"), rejected(503, "unavailable")]) {
      site.state.rejects = problem;
      await expect(editor.post()).rejects.toThrow();
    }
    site.state.rejects = undefined;
    await editor.post();
    expect(new Set(site.calls).size).toBe(1);
  });

  test("whose image the server no longer has uploads it again", async () => {
    const [site, disk] = [server(), storage()];
    const editor = await write("hello", site, disk);
    editor.add([file()]);
    await settled(editor);
    site.state.rejects = rejected(422, "invalid", [{ pointer: "/media_ids/0", code: "not-found", detail: "" }]);
    await expect(editor.post()).rejects.toThrow();
    await settled(editor);
    site.state.rejects = undefined;
    expect((await editor.post()) as CreatePost).toMatchObject({ media_ids: ["m2"] });
  });

  test("has the descriptions of its photos", async () => {
    const [site, disk] = [server(), storage()];
    const editor = await write("hello", site, disk);
    editor.add([file(), file()]);
    await settled(editor);
    editor.describe(editor.content.photos[1]?.id ?? "", " a lake ");
    await editor.post();
    expect(vi.mocked(site.remote.describe).mock.calls).toEqual([["m2", "a lake"]]);
  });
});
