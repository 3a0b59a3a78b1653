import type { User } from "@blegram/client";
import { UserCheck } from "lucide-react";
import { useRef, useState } from "react";
import { flushSync } from "react-dom";
import { useTexts } from "../../i18n";
import { itemsOf } from "../../query";
import { Button } from "../../ui/button";
import { PageList } from "../../ui/page-list";
import { Empty } from "../../ui/states";
import { type Accepted, withAccepted } from "./accepted";
import { useAccept, useReject } from "./decisions";
import { FollowButton } from "./follow-button";
import styles from "./follow-requests.module.css";
import { useFollowRequests, useRequestCount, useUser } from "./queries";
import { NONE } from "./relations";
import { UserSkeletons } from "./user-list";
import { UserRow } from "./user-row";

/** The requests to follow the viewer; new ones appear by themselves. */
export function FollowRequests() {
  const t = useTexts("people");
  const [accepted, setAccepted] = useState<Accepted[]>([]);
  const query = useFollowRequests((data) => withAccepted(data, accepted));
  const { count } = useRequestCount();
  const box = useRef<HTMLDivElement>(null);

  const accept = (user: User) => {
    const index = itemsOf(query.data).findIndex(({ id }) => id === user.id);
    // The button that had the focus is replaced by one that follows back.
    flushSync(() => setAccepted((others) => [...others, { user, index }]));
    rowOf(user)?.querySelector("button")?.focus();
  };
  const undo = ({ id }: User) => setAccepted((all) => all.filter(({ user }) => user.id !== id));
  const reject = (user: User) => {
    const row = rowOf(user);
    const rows = [...(box.current?.querySelectorAll<HTMLElement>("[data-request]") ?? [])];
    const index = row ? rows.indexOf(row) : -1;
    const next = rows[index + 1] ?? rows[index - 1];
    (next?.querySelector("button") ?? box.current)?.focus();
    undo(user);
  };
  const rowOf = ({ id }: User) => box.current?.querySelector<HTMLElement>(`[data-request="${CSS.escape(id)}"]`);
  return (
    <div ref={box} tabIndex={-1} className={styles.box}>
      <p role="status" className="spoken">
        {query.isSuccess && t("requests_count", { count })}
      </p>
      <PageList
        query={query}
        label={t("requests")}
        skeleton={<UserSkeletons />}
        empty={
          <Empty icon={UserCheck} title={t("no_requests")}>
            <p>{t("no_requests_more")}</p>
          </Empty>
        }
      >
        {(user) => (
          <div data-request={user.id} className={styles.request}>
            {accepted.some((one) => one.user.id === user.id) ? (
              <AcceptedRequest user={user} />
            ) : (
              <Request user={user} onAccept={accept} onUndo={undo} onReject={reject} />
            )}
          </div>
        )}
      </PageList>
    </div>
  );
}

interface RequestProps {
  user: User;
  onAccept: (user: User) => void;
  /** It could not be accepted. */
  onUndo: (user: User) => void;
  /** Called before the request leaves the list. */
  onReject: (user: User) => void;
}

function Request({ user, onAccept, onUndo, onReject }: RequestProps) {
  const t = useTexts("people");
  const accept = useAccept(user);
  const reject = useReject(user);
  const name = <span className="spoken">{user.display_name}</span>;
  return (
    <UserRow
      user={user}
      action={
        <span className={styles.actions}>
          <Button
            small
            kind="primary"
            onClick={() => {
              // A promise, because this row is replaced.
              accept.mutateAsync().catch(() => onUndo(user));
              onAccept(user);
            }}
          >
            {t("accept")}
            {name}
          </Button>
          <Button
            small
            onClick={() => {
              onReject(user);
              reject.mutate();
            }}
          >
            {t("reject")}
            {name}
          </Button>
        </span>
      }
    />
  );
}

function AcceptedRequest({ user }: { user: User }) {
  const t = useTexts("people");
  // The list of requests no longer has it, so that a follow would not change it there.
  const { data = user } = useUser(user.username);
  // It may have been read before the request was accepted.
  const follower = { ...data, viewer: { ...(data.viewer ?? NONE), followed_by: true } };
  return <UserRow user={follower} note={t("now_follows_you")} action={<FollowButton user={follower} />} />;
}
