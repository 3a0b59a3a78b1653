import type { CommentRevision, PostRevision } from "@blegram/client";
import { useTexts } from "../../i18n";
import { itemsOf, usePages } from "../../query";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Failure, Spinner } from "../../ui/states";
import { Time } from "../../ui/time";
import styles from "./revisions.module.css";

interface RevisionsProps {
  subject: { type: "post" | "comment"; id: string };
  onClose: () => void;
}

/** The texts that a post or comment had. */
export default function Revisions({ subject: { type, id }, onClose }: RevisionsProps) {
  const t = useTexts("compose");
  const common = useTexts("common");
  const query = usePages<PostRevision | CommentRevision>(["revisions", type, id], (cursor, options) =>
    type === "post"
      ? blegram.posts.listRevisions(id, cursor, options)
      : blegram.comments.listRevisions(id, cursor, options),
  );
  const revisions = itemsOf(query.data);
  return (
    <Dialog title={t("revisions")} onClose={onClose}>
      {query.isPending && <Spinner />}
      {query.isError && <Failure error={query.error} onRetry={() => void query.refetch()} />}
      <ol className={styles.list}>
        {revisions.map(({ text, edited_at }) => (
          <li key={edited_at}>
            <Time at={edited_at} />
            <p dir="auto">{text || t("no_text")}</p>
          </li>
        ))}
      </ol>
      {query.hasNextPage && (
        <Button kind="quiet" wide busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          {common("load_more")}
        </Button>
      )}
    </Dialog>
  );
}
