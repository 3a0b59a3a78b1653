import type { UserSummary } from "@blegram/client";
import type { Texts } from "../../i18n";
import { basePath } from "../../site";
import { toast } from "../../ui/toast";

/** The address of a profile, as other people can open it. Names stay readable: browsers encode them. */
const addressOf = ({ username }: UserSummary) => `${location.origin}${basePath}/@${username}`;

/** Whether the device has a sheet to share with; desks often have none. */
export const canShare = () => typeof navigator.share === "function";

/** Shares a profile by the sheet of the device, or copies its address. */
export async function share(user: UserSummary, t: Texts<"people">): Promise<void> {
  if (!canShare()) return copyLink(user, t);
  try {
    await navigator.share({ title: user.display_name, url: addressOf(user) });
  } catch (error) {
    // The user closed the sheet, or an in-app browser has the function only by name.
    if (!(error instanceof DOMException && error.name === "AbortError")) await copyLink(user, t);
  }
}

/** Copies the address of a profile. */
export async function copyLink(user: UserSummary, t: Texts<"people">): Promise<void> {
  const address = addressOf(user);
  try {
    await navigator.clipboard.writeText(address);
    toast(t("copied"));
  } catch {
    // Not allowed, or not over https: then the user copies it.
    toast(address);
  }
}
