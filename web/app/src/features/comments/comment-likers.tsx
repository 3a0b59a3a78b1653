import type { User } from "@blegram/client";
import { useTexts } from "../../i18n";
import { itemsOf, usePages } from "../../query";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Failure, Spinner } from "../../ui/states";
import { FollowButton } from "../people/follow-button";
import { UserRow } from "../people/user-row";

/** Who likes a comment. */
export default function CommentLikers({ comment, onClose }: { comment: string; onClose: () => void }) {
  const t = useTexts("posts");
  const common = useTexts("common");
  const query = usePages<User>(["users", "comment-likers", comment], (cursor, options) =>
    blegram.comments.listLikers(comment, cursor, options),
  );
  return (
    <Dialog title={t("likers")} onClose={onClose}>
      {query.isPending && <Spinner />}
      {query.isError && <Failure error={query.error} onRetry={() => void query.refetch()} />}
      <ul>
        {itemsOf(query.data).map((user) => (
          <li key={user.id}>
            <UserRow user={user} action={<FollowButton user={user} />} />
          </li>
        ))}
      </ul>
      {query.hasNextPage && (
        <Button kind="quiet" wide busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          {common("load_more")}
        </Button>
      )}
    </Dialog>
  );
}
