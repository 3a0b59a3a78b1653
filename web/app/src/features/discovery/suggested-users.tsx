import type { SuggestedUser } from "@blegram/client";
import { useMutation } from "@tanstack/react-query";
import { X } from "lucide-react";
import { useRef } from "react";
import { Link } from "react-router";
import { useTexts } from "../../i18n";
import { changeItems, itemsOf, type Loaded, queries, usePages } from "../../query";
import { blegram } from "../../site";
import { Avatar } from "../../ui/avatar";
import { IconButton } from "../../ui/button";
import { toastError } from "../../ui/toast";
import { SUGGESTIONS } from "../people/cache";
import { FollowButton } from "../people/follow-button";
import { UserRow } from "../people/user-row";
import { useMe } from "../session/session";
import styles from "./suggested-users.module.css";

const MOST = 12;

function useSuggestedUsers(): SuggestedUser[] {
  const me = useMe();
  const { data } = usePages<SuggestedUser>(
    SUGGESTIONS,
    (query, options) => blegram.users.listSuggested({ limit: MOST, ...query }, options),
    { enabled: Boolean(me) },
  );
  return itemsOf(data);
}

/** Removes an account from the suggestions, for good. */
function useDismiss() {
  return useMutation({
    mutationFn: (id: string) => blegram.users.dismissSuggested(id),
    onMutate: (id) =>
      queries.setQueryData<Loaded<SuggestedUser>>(
        SUGGESTIONS,
        (data) => data && changeItems(data, (item) => (item.user.id === id ? undefined : item)),
      ),
    onError: (error) => {
      toastError(error);
      void queries.invalidateQueries({ queryKey: SUGGESTIONS });
    },
  });
}

interface SuggestedUsersProps {
  /** One beside the other, or one below the other. */
  layout: "cards" | "rows";
  most?: number;
}

/** Accounts to follow, and why. Nothing if there are none, or for visitors. */
export function SuggestedUsers({ layout, most = MOST }: SuggestedUsersProps) {
  const t = useTexts("discovery");
  const suggested = useSuggestedUsers().slice(0, most);
  const dismiss = useDismiss();
  const Suggestion = layout === "cards" ? SuggestionCard : SuggestionRow;
  const list = useRef<HTMLUListElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  if (suggested.length === 0) return null;

  /** The focus goes to the next one before this one leaves. */
  const onDismiss = (index: number, id: string) => {
    const items = list.current?.children;
    const next = items?.[index + 1] ?? items?.[index - 1];
    (next?.querySelector<HTMLElement>("[data-dismiss]") ?? heading.current)?.focus();
    dismiss.mutate(id);
  };
  return (
    <section aria-labelledby={`suggested-${layout}`} className={styles.section}>
      <h2 id={`suggested-${layout}`} ref={heading} tabIndex={-1}>
        {t("suggested")}
      </h2>
      <ul ref={list} className={styles[layout]}>
        {suggested.map((item, index) => (
          <Suggestion key={item.user.id} item={item} onDismiss={() => onDismiss(index, item.user.id)} />
        ))}
      </ul>
    </section>
  );
}

interface SuggestionProps {
  item: SuggestedUser;
  onDismiss: () => void;
}

function SuggestionCard({ item, onDismiss }: SuggestionProps) {
  const { user } = item;
  return (
    <li className={styles.card}>
      <Link to={`/@${user.username}`} className={styles.user}>
        <Avatar user={user} size={64} />
        <strong className={styles.name} dir="auto">
          {user.display_name}
        </strong>
        <span className={styles.why}>
          <Mutuals item={item} />
        </span>
      </Link>
      <FollowButton user={user} />
      <span className={styles.corner}>
        <Dismiss item={item} onDismiss={onDismiss} />
      </span>
    </li>
  );
}

function SuggestionRow({ item, onDismiss }: SuggestionProps) {
  return (
    <li className={styles.row}>
      <UserRow
        user={item.user}
        note={
          <span className={styles.note}>
            <Mutuals item={item} />
          </span>
        }
        action={
          <>
            <FollowButton user={item.user} />
            <Dismiss item={item} onDismiss={onDismiss} />
          </>
        }
      />
    </li>
  );
}

function Dismiss({ item: { user }, onDismiss }: SuggestionProps) {
  const t = useTexts("discovery");
  return (
    <IconButton
      icon={X}
      size={18}
      data-dismiss=""
      label={t("dismiss", { name: user.display_name })}
      onClick={onDismiss}
    />
  );
}

/** Which of the accounts that the viewer follows also follow this one, or else the username. */
function Mutuals({ item: { user, mutuals, mutual_count } }: { item: SuggestedUser }) {
  const t = useTexts("discovery");
  const [one, two] = mutuals;
  if (!one) return <>@{user.username}</>;
  const name = one.display_name;
  if (mutual_count === 1) return <>{t("mutual", { name })}</>;
  if (mutual_count === 2 && two) return <>{t("two_mutuals", { name, other: two.display_name })}</>;
  return <>{t("mutuals", { name, count: mutual_count - 1 })}</>;
}
