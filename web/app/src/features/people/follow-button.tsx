// Placeholder: the button of the area "people" replaces it at the merge.

import type { User } from "@blegram/client";

export function FollowButton(_: { user: User }) {
  return null;
}
