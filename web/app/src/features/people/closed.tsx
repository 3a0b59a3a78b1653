import type { User } from "@blegram/client";
import { Ban, Lock } from "lucide-react";
import { useTexts } from "../../i18n";
import { Empty } from "../../ui/states";
import { FollowButton } from "./follow-button";

interface ClosedProps {
  user: User;
  by: "blocked" | "private";
  /** Offers to follow or to unblock, where no button beside it does. */
  action?: boolean;
}

/** Why the posts and lists of an account are not shown. */
export function Closed({ user, by, action = false }: ClosedProps) {
  const t = useTexts("people");
  const name = user.display_name;
  const text =
    by === "blocked" ? "closed_blocked_more" : user.viewer?.requested ? "closed_requested" : "closed_private_more";
  return (
    <Empty
      icon={by === "blocked" ? Ban : Lock}
      title={t(by === "blocked" ? "closed_blocked" : "closed_private", { name })}
    >
      <p>{t(text, { name })}</p>
      {action && <FollowButton user={user} large />}
    </Empty>
  );
}
