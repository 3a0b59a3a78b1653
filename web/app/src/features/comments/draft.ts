import { useState } from "react";
import { newId } from "../posts/new-id";

interface Stored {
  text: string;
  /** The key of the last attempt to send it, and what that was: the same comment has the same key, also after a reload. */
  sent?: { key: string; text: string; parent: string | undefined };
}

const place = (post: string) => `blegram-comment-${post}`;

function load(post: string): Stored {
  try {
    return JSON.parse(sessionStorage.getItem(place(post)) ?? "") as Stored;
  } catch {
    return { text: "" };
  }
}

function save(post: string, draft: Stored): void {
  try {
    if (draft.text) sessionStorage.setItem(place(post), JSON.stringify(draft));
    else sessionStorage.removeItem(place(post));
  } catch {
    // Then it is lost with the page.
  }
}

/** A comment that is being written; it survives a reload of the page. */
export function useCommentDraft(post: string) {
  const [draft, setDraft] = useState(() => load(post));
  const change = (next: Stored) => {
    setDraft(next);
    save(post, next);
  };
  return {
    text: draft.text,
    set: (text: string) => change({ ...draft, text }),
    /** The idempotency key of the comment as it is now. */
    key: (parent: string | undefined) => {
      const { sent, text } = draft;
      if (sent?.text === text && sent.parent === parent) return sent.key;
      const key = newId();
      change({ text, sent: { key, text, parent } });
      return key;
    },
    /** Removes what was sent; what was written meanwhile stays. */
    clear: (sent: string) =>
      setDraft((now) => {
        const next = { text: now.text === sent ? "" : now.text };
        save(post, next);
        return next;
      }),
  };
}
