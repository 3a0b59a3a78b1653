// What was written and not sent yet, by account and conversation. In `localStorage`, which is written before a tab is closed.

import type { Media, Message } from "@blegram/client";

export interface ComposerDraft {
  text: string;
  /** Images that are uploaded. */
  media: Media[];
  replyTo?: Message | undefined;
}

const nameOf = (account: string, conversation: string) => `blegram-draft ${account} ${conversation}`;

export function readDraft(account: string, conversation: string): ComposerDraft | undefined {
  try {
    const stored = localStorage.getItem(nameOf(account, conversation));
    return stored === null ? undefined : (JSON.parse(stored) as ComposerDraft);
  } catch {
    return undefined;
  }
}

export function saveDraft(account: string, conversation: string, draft: ComposerDraft): void {
  const { text, media, replyTo } = draft;
  try {
    if (text.trim() || media.length > 0 || replyTo) {
      localStorage.setItem(nameOf(account, conversation), JSON.stringify(draft));
    } else {
      localStorage.removeItem(nameOf(account, conversation));
    }
  } catch {
    // Storage is blocked or full: the draft lives as long as the page.
  }
}
