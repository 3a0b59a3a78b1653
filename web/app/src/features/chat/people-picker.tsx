import type { UserSummary } from "@blegram/client";
import { useQuery } from "@tanstack/react-query";
import { Check, Plus, X } from "lucide-react";
import { useDeferredValue, useState } from "react";
import { useTexts } from "../../i18n";
import { blegram } from "../../site";
import { Avatar } from "../../ui/avatar";
import { Field } from "../../ui/field";
import { Failure, Spinner } from "../../ui/states";
import { useMe } from "../session/session";
import styles from "./people-picker.module.css";

interface PeoplePickerProps {
  chosen: UserSummary[];
  onChange: (chosen: UserSummary[]) => void;
  /** Users who cannot be chosen, such as the members of the group. */
  except?: string[];
  /** How many can be chosen. */
  limit: number;
}

/** As many as fit into a dialog; a longer search text finds others. */
const PAGE_SIZE = 20;

/** Chooses people by a search; before it, of those whom the user follows. */
export function PeoplePicker({ chosen, onChange, except = [], limit }: PeoplePickerProps) {
  const t = useTexts("chat");
  const me = useMe()?.id ?? "";
  const [typed, setTyped] = useState("");
  const q = useDeferredValue(typed.normalize("NFC").trim());
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ["people-picker", me, q],
    queryFn: async ({ signal }) => {
      const options = { signal };
      const page = q
        ? await blegram.discovery.searchUsers({ q, limit: PAGE_SIZE }, options).page()
        : await blegram.users.listFollowing(me, { limit: PAGE_SIZE }, options).page();
      return page.items;
    },
    placeholderData: (previous) => previous,
  });
  const hidden = new Set([me, ...except]);
  const found = data?.filter(({ id }) => !hidden.has(id));
  const isFull = chosen.length >= limit;
  const toggle = (user: UserSummary) => {
    const others = chosen.filter(({ id }) => id !== user.id);
    if (others.length < chosen.length) onChange(others);
    else if (!isFull) onChange([...chosen, user]);
  };

  return (
    <div>
      {chosen.length > 0 && (
        <ul className={styles.chosen} aria-label={t("chosen")}>
          {chosen.map((user) => (
            <li key={user.id}>
              <button type="button" onClick={() => toggle(user)}>
                <Avatar user={user} size={24} />
                <span dir="auto">{user.display_name}</span>
                <span className="spoken">{t("unchoose")}</span>
                <X size={14} aria-hidden />
              </button>
            </li>
          ))}
        </ul>
      )}
      <Field
        label={t("search_people")}
        placeholder={t("search_hint")}
        type="search"
        autoComplete="off"
        value={typed}
        onChange={({ target }) => setTyped(target.value)}
        // Enter chooses nothing, and does not create a group that is not complete.
        onKeyDown={(event) => event.key === "Enter" && event.preventDefault()}
      />
      {error && !data && <Failure error={error} onRetry={() => void refetch()} />}
      {isPending && <Spinner />}
      {found?.length === 0 && <p className="faint">{q ? t("no_account_found") : t("search_hint")}</p>}
      <ul className={styles.found}>
        {found?.map((user) => {
          const isChosen = chosen.some(({ id }) => id === user.id);
          return (
            <li key={user.id}>
              <button type="button" aria-pressed={isChosen} disabled={isFull && !isChosen} onClick={() => toggle(user)}>
                <Avatar user={user} size={40} />
                <span className={styles.names}>
                  <strong dir="auto">{user.display_name}</strong>
                  <span className="faint">@{user.username}</span>
                </span>
                {isChosen ? <Check size={20} aria-hidden /> : <Plus size={20} aria-hidden />}
              </button>
            </li>
          );
        })}
      </ul>
    </div>
  );
}
