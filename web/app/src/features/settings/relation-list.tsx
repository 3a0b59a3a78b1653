import type { User } from "@blegram/client";
import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import type { LucideIcon } from "lucide-react";
import { useRef } from "react";
import { useTexts } from "../../i18n";
import { changeItems, type Loaded, pages, queries } from "../../query";
import { Button } from "../../ui/button";
import { PageList } from "../../ui/page-list";
import { Empty } from "../../ui/states";
import { toast, toastError } from "../../ui/toast";
import { UserRow } from "../people/user-row";
import styles from "./parts.module.css";

interface RelationListProps {
  queryKey: readonly unknown[];
  list: Parameters<typeof pages<User>>[1];
  label: string;
  icon: LucideIcon;
  /** What an empty list says. */
  empty: string;
  emptyMore: string;
  /** Ends the relation to a user, and begins it again. */
  end: (user: string) => Promise<unknown>;
  begin: (user: string) => Promise<unknown>;
  endLabel: string;
  /** The name of the button for screen readers. */
  endNamed: (name: string) => string;
  ended: (name: string) => string;
}

/** The accounts that the user has blocked or muted. One that leaves the list can be put back. */
export function RelationList(props: RelationListProps) {
  const { queryKey, list, label, icon, empty, emptyMore, end, begin, endLabel, endNamed, ended } = props;
  const t = useTexts("common");
  const query = useInfiniteQuery({ ...pages(queryKey, list), refetchOnMount: "always" });
  const box = useRef<HTMLDivElement>(null);
  const restore = useMutation({
    mutationFn: (user: User) => begin(user.id),
    onError: toastError,
    onSettled: changed,
  });
  const remove = useMutation({
    mutationFn: (user: User) => end(user.id),
    onSuccess: (_, user) => {
      queries.setQueryData<Loaded<User>>(
        queryKey,
        (data) => data && changeItems(data, (item) => (item.id === user.id ? undefined : item)),
      );
      toast(ended(user.display_name), { label: t("undo"), run: () => restore.mutate(user) });
      // The button that had the focus has left with its row.
      box.current?.focus();
    },
    onError: toastError,
    onSettled: changed,
  });
  /** What the account sees of this user anywhere is different now. */
  function changed(): Promise<void> {
    void queries.invalidateQueries({ refetchType: "none" });
    return queries.invalidateQueries({ queryKey });
  }
  return (
    <div ref={box} tabIndex={-1} className={styles.relations}>
      <PageList
        query={query}
        label={label}
        empty={
          <Empty icon={icon} title={empty}>
            {emptyMore}
          </Empty>
        }
      >
        {(user) => (
          <UserRow
            user={user}
            action={
              <Button
                small
                aria-label={endNamed(user.display_name)}
                busy={remove.isPending && remove.variables.id === user.id}
                onClick={() => remove.mutate(user)}
              >
                {endLabel}
              </Button>
            }
          />
        )}
      </PageList>
    </div>
  );
}
