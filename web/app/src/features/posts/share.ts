import type { Post } from "@blegram/client";
import { useTexts } from "../../i18n";
import { basePath } from "../../site";
import { toast } from "../../ui/toast";

const addressOf = (id: string) => `${location.origin}${basePath}/posts/${id}`;

/** Copies the address of a post; where that is not allowed, shows it. */
export function useCopyLink({ id }: Post) {
  const t = useTexts("posts");
  return async () => {
    try {
      await navigator.clipboard.writeText(addressOf(id));
      toast(t("link_copied"));
    } catch {
      // In-app browsers, and sites without https.
      toast(addressOf(id));
    }
  };
}

/** Shares a post by the sheet of the device, or copies its address. */
export function useShare(post: Post) {
  const copy = useCopyLink(post);
  return async () => {
    if (typeof navigator.share !== "function") return copy();
    try {
      await navigator.share({ title: post.author.display_name, url: addressOf(post.id) });
    } catch (error) {
      // The user closed the sheet, or the browser has none in spite of the function.
      if (!(error instanceof DOMException && error.name === "AbortError")) await copy();
    }
  };
}
