import type { AuditEvent, UserSummary } from "@blegram/client";
import { ScrollText } from "lucide-react";
import { useId, useState } from "react";
import { Link, useSearchParams } from "react-router";
import { fullTime, useTexts } from "../../i18n";
import { usePages } from "../../query";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { Field } from "../../ui/field";
import { Page } from "../../ui/page";
import { PageList } from "../../ui/page-list";
import { Empty } from "../../ui/states";
import styles from "./audit-log.module.css";
import { isKnown, KINDS } from "./kinds";

/** Logins, changes of credentials and roles, suspensions; the filters are in the address, so that it can be shared. */
export default function AuditLog() {
  const t = useTexts("admin");
  const id = useId();
  const [params, setParams] = useSearchParams();
  const kind = params.get("kind") ?? "";
  const user = params.get("user") ?? "";
  const query = usePages(["audit", kind, user], (page, options) =>
    blegram.admin.listAuditEvents(
      { ...page, ...(kind ? { kind } : {}), ...(user ? { user: `@${user}` } : {}) },
      options,
    ),
  );
  const filter = (changed: Record<string, string>) => {
    const next = Object.entries({ kind, user, ...changed }).filter(([, value]) => value);
    setParams(Object.fromEntries(next), { replace: true });
  };
  return (
    <Page title={t("audit")} back>
      <search className={styles.filters}>
        <div className={styles.kind}>
          <label htmlFor={id}>{t("kind")}</label>
          <select id={id} value={kind} onChange={(event) => filter({ kind: event.target.value })}>
            <option value="">{t("all_kinds")}</option>
            {KINDS.map((kind) => (
              <option key={kind} value={kind}>
                {t(kind)}
              </option>
            ))}
          </select>
        </div>
        <UserFilter key={user} user={user} onChange={(user) => filter({ user })} />
      </search>
      <PageList query={query} label={t("audit")} empty={<Empty icon={ScrollText} title={t("none")} />}>
        {(event) => <Entry event={event} />}
      </PageList>
    </Page>
  );
}

function UserFilter({ user, onChange }: { user: string; onChange: (user: string) => void }) {
  const t = useTexts("admin");
  const [text, setText] = useState(user);
  return (
    <form
      className={styles.user}
      onSubmit={(event) => {
        event.preventDefault();
        onChange(text.trim().replace(/^@/, ""));
      }}
    >
      <Field
        label={t("user")}
        value={text}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        onChange={(event) => setText(event.target.value)}
      />
      <Button type="submit">{t("filter")}</Button>
    </form>
  );
}

function Entry({ event: { kind, at, actor, target, address } }: { event: AuditEvent }) {
  const t = useTexts("admin");
  const isBySelf = actor !== null && actor.id === target?.id;
  return (
    <article className={styles.entry}>
      <p className={styles.what}>{isKnown(kind) ? t(kind) : kind}</p>
      <p>
        {isBySelf ? (
          <User user={actor} />
        ) : (
          t.rich("by", {
            actor: actor ? <User user={actor} /> : t("no_actor"),
            target: target ? <User user={target} /> : t("deleted"),
          })
        )}
      </p>
      <p className="faint">
        <time dateTime={at}>{fullTime(at)}</time>
        {address && <> · {address}</>}
      </p>
    </article>
  );
}

const User = ({ user }: { user: UserSummary }) => (
  <Link to={`/@${user.username}`} className="link">
    @{user.username}
  </Link>
);
