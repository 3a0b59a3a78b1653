// How the viewer is related to other accounts: follows, blocks and mutes.
//
// A change is on the screen at once, in every place that shows the account, and is rolled back if the server rejects it.
// Changes of one account run one after the other, and only the last one decides what is shown: so a follow that is undone
// at once does not flicker. Mutes are independent of the others.

import type { User, UserSummary } from "@blegram/client";
import { useMutation } from "@tanstack/react-query";
import { ME, queries } from "../../query";
import { blegram } from "../../site";
import { toastError } from "../../ui/toast";
import { postsKey } from "../posts/cache";
import { changeUser, dropPostsOf, findUser, SUGGESTIONS, userKey, usersKey } from "./cache";

type Viewer = NonNullable<User["viewer"]>;

/** The relationship that begins at zero: the server does not say one to visitors. */
export const NONE: Viewer = { following: false, followed_by: false, requested: false, blocking: false, muting: false };

/** Changes what the viewer is to an account; counts its followers if the viewer becomes or ceases to be one. */
export function changeViewer(id: string, change: Partial<Viewer>): void {
  changeUser(id, (user) => {
    const before = user.viewer ?? NONE;
    const viewer = { ...before, ...change };
    const follower_count = Math.max(0, user.follower_count + Number(viewer.following) - Number(before.following));
    return { ...user, viewer, follower_count };
  });
}

interface RelationChange<Result> {
  call: (isOn: boolean) => Promise<Result>;
  /** What the viewer is to the account at once. */
  change: (isOn: boolean) => Partial<Viewer>;
  /** Removes from the screen what the viewer does not want to see; returns how to put it back. */
  hide?: () => () => void;
  /** Shows what the server says, if no later change is on its way. */
  settle?: (result: Result) => void;
  /** What else is different now. */
  done: () => void;
}

function useRelationChange<Result>(
  { id }: UserSummary,
  kind: "follow" | "mute",
  { call, change, hide, settle, done }: RelationChange<Result>,
) {
  const mutationKey = ["relation", id, kind];
  const isLast = () => queries.isMutating({ mutationKey }) === 1;
  return useMutation({
    mutationKey,
    scope: { id: mutationKey.join() },
    mutationFn: call,
    onMutate: (isOn) => {
      const before = findUser(id)?.viewer ?? NONE;
      const changed = change(isOn);
      changeViewer(id, changed);
      const putBack = isOn ? hide?.() : undefined;
      return () => {
        putBack?.();
        changeViewer(id, Object.fromEntries(keysOf(changed).map((key) => [key, before[key]])));
      };
    },
    onSuccess: (result) => {
      if (!isLast()) return;
      settle?.(result);
      done();
    },
    onError: (error, _, undo) => {
      toastError(error);
      if (!isLast()) return;
      undo?.();
      // An earlier change may have failed, too.
      void queries.invalidateQueries({ queryKey: ["user"] });
    },
  });
}

const keysOf = (viewer: Partial<Viewer>) => Object.keys(viewer) as (keyof Viewer)[];

/** Follows a user, or sends a request if the account is private; `mutate(false)` unfollows, or withdraws the request. */
export function useFollow(user: User) {
  return useRelationChange(user, "follow", {
    call: (isOn) => (isOn ? blegram.users.follow(user.id) : blegram.users.unfollow(user.id)),
    change: (isOn) => ({ following: isOn && !user.is_private, requested: isOn && user.is_private }),
    settle: ({ following, requested, follower_count }) => {
      changeViewer(user.id, { following, requested });
      changeUser(user.id, (known) => ({ ...known, follower_count }));
    },
    done: () => {
      // What the account shows, and what is in the home timeline, is different when it is opened next.
      stale(postsKey("home"));
      if (user.is_private) void queries.resetQueries({ queryKey: postsKey("user", user.id) });
      stale(usersKey("followers", user.id));
      refreshMe();
    },
  });
}

/** Blocks a user, which ends follows, or unblocks one. */
export function useBlock(user: UserSummary) {
  return useRelationChange(user, "follow", {
    call: (isOn) => (isOn ? blegram.users.block(user.id) : blegram.users.unblock(user.id)),
    change: (isOn) =>
      isOn ? { blocking: true, following: false, followed_by: false, requested: false } : { blocking: false },
    hide: () => dropPostsOf(user.id, () => true),
    done: () => {
      stale(["posts"]);
      // On the profile, they are shown again as soon as the block ends.
      void queries.invalidateQueries({ queryKey: postsKey("user", user.id) });
      refreshOthers();
    },
  });
}

/** Mutes a user, or unmutes one. */
export function useMute(user: UserSummary) {
  return useRelationChange(user, "mute", {
    call: (isOn) => (isOn ? blegram.users.mute(user.id) : blegram.users.unmute(user.id)),
    change: (isOn) => ({ muting: isOn }),
    hide: () => dropPostsOf(user.id, isTimeline),
    done: () => {
      stale(["posts"]);
      void queries.invalidateQueries({ queryKey: ["notifications"] });
    },
  });
}

/** A mute hides posts from timelines and searches, not from the profile of the author or from what the viewer has saved. */
const isTimeline = ([list]: readonly unknown[]) => ["home", "public", "tag", "search"].includes(String(list));

/** Removes a follower. */
export function useRemoveFollower() {
  return useMutation({
    mutationFn: (user: User) => blegram.users.removeFollower(user.id),
    onSuccess: (_, user) => {
      changeViewer(user.id, { followed_by: false });
      refreshMe();
    },
    onError: toastError,
  });
}

/** A list is loaded again when it is opened next: what is being read stays where it is. */
function stale(queryKey: readonly unknown[]): void {
  void queries.invalidateQueries({ queryKey, refetchType: "none" });
}

/** The counts of the viewer's profile, and its lists. */
export function refreshMe(): void {
  const me = queries.getQueryData<User | null>(ME);
  if (!me) return;
  void queries.invalidateQueries({ queryKey: userKey(me.username) });
  void queries.invalidateQueries({ queryKey: usersKey("followers", me.id) });
  stale(usersKey("following", me.id));
}

/** A block changes what is visible of everything: lists of posts have been changed, the others are read again. */
function refreshOthers(): void {
  const stays = new Set<unknown>([ME[0], "instance", "posts", "thread", "trends", SUGGESTIONS[0]]);
  void queries.invalidateQueries({ predicate: ({ queryKey }) => !stays.has(queryKey[0]) });
  stale(SUGGESTIONS);
}
