import type { User } from "@blegram/client";
import { lazy, Suspense, useState } from "react";
import { useLocation, useNavigate } from "react-router";
import { useTexts } from "../../i18n";
import { Button } from "../../ui/button";
import { useMe } from "../session/session";
import { useBlock, useFollow } from "./relations";

const Confirm = lazy(async () => ({ default: (await import("../../ui/dialog")).Confirm }));

interface FollowButtonProps {
  user: User;
  /** Larger, for the page of the user. */
  large?: boolean;
}

/** Follows a user, and says whether the viewer does. Nothing for the viewer's own account. */
export function FollowButton({ user, large = false }: FollowButtonProps) {
  const t = useTexts("people");
  const me = useMe();
  const logIn = useLogIn();
  const follow = useFollow(user);
  const block = useBlock(user);
  const [isAsking, setAsking] = useState(false);
  if (me?.id === user.id) return null;

  const { following, requested, followed_by, blocking } = user.viewer ?? {};
  const isOn = Boolean(following || requested || blocking);
  const onClick = () => {
    if (!me) logIn();
    else if (blocking) block.mutate(false);
    // It takes a request to undo it.
    else if (following && user.is_private) setAsking(true);
    else follow.mutate(!isOn);
  };
  const label = blocking
    ? t("unblock")
    : following
      ? t("following")
      : requested
        ? t("requested")
        : t(followed_by ? "follow_back" : "follow");
  return (
    <>
      <Button
        small={!large}
        kind={isOn ? "plain" : "primary"}
        title={following ? t("unfollow") : requested ? t("withdraw") : undefined}
        onClick={onClick}
      >
        {label}
        <span className="spoken" dir="auto">
          {user.display_name}
        </span>
      </Button>
      {isAsking && (
        <Suspense>
          <Confirm
            title={t("unfollow_title", { name: user.display_name })}
            action={t("unfollow")}
            onConfirm={() => {
              follow.mutate(false);
              setAsking(false);
            }}
            onClose={() => setAsking(false)}
          >
            <p>{t("unfollow_private")}</p>
          </Confirm>
        </Suspense>
      )}
    </>
  );
}

/** Leads a visitor to the login, and back to this page. */
export function useLogIn(): () => void {
  const navigate = useNavigate();
  const { pathname, search } = useLocation();
  return () => navigate(`/login?next=${encodeURIComponent(pathname + search)}`);
}
