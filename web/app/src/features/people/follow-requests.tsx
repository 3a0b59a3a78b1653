import type { User } from "@blegram/client";
import { UserCheck } from "lucide-react";
import { useRef } from "react";
import { useTexts } from "../../i18n";
import { Button } from "../../ui/button";
import { PageList } from "../../ui/page-list";
import { Empty } from "../../ui/states";
import { useAccept, useReject } from "./decisions";
import { FollowButton } from "./follow-button";
import styles from "./follow-requests.module.css";
import { useFollowRequests, useRequestCount } from "./queries";
import { UserSkeletons } from "./user-list";
import { UserRow } from "./user-row";

/** The requests to follow the viewer; new ones appear by themselves. */
export function FollowRequests() {
  const t = useTexts("people");
  const query = useFollowRequests();
  const { count } = useRequestCount();
  const box = useRef<HTMLDivElement>(null);

  /** After a rejection, the focus goes to the next request, or to the list. */
  const focusAfter = (row: HTMLElement | null) => {
    const rows = [...(box.current?.querySelectorAll<HTMLElement>(`.${styles["request"]}`) ?? [])];
    const index = row ? rows.indexOf(row) : -1;
    const next = rows[index + 1] ?? rows[index - 1];
    (next?.querySelector("button") ?? box.current)?.focus();
  };
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
        {(user) => <Request user={user} onReject={focusAfter} />}
      </PageList>
    </div>
  );
}

interface RequestProps {
  user: User;
  /** Called before the request leaves the list. */
  onReject: (row: HTMLElement | null) => void;
}

function Request({ user, onReject }: RequestProps) {
  const t = useTexts("people");
  const accept = useAccept(user);
  const reject = useReject(user);
  const row = useRef<HTMLDivElement>(null);
  const name = <span className="spoken">{user.display_name}</span>;
  return (
    <div ref={row} className={styles.request}>
      {user.viewer?.followed_by ? (
        <UserRow user={user} note={t("now_follows_you")} action={<FollowButton user={user} />} />
      ) : (
        <UserRow
          user={user}
          action={
            <span className={styles.actions}>
              <Button
                small
                kind="primary"
                onClick={() => {
                  // The button is replaced by one that follows back.
                  const { current } = row;
                  accept.mutate(undefined, { onSuccess: () => current?.querySelector("button")?.focus() });
                }}
              >
                {t("accept")}
                {name}
              </Button>
              <Button
                small
                onClick={() => {
                  onReject(row.current);
                  reject.mutate();
                }}
              >
                {t("reject")}
                {name}
              </Button>
            </span>
          }
        />
      )}
    </div>
  );
}
