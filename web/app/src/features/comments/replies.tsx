import type { Comment, Post } from "@blegram/client";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useTexts } from "../../i18n";
import { itemsOf, pages } from "../../query";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { Failure } from "../../ui/states";
import { repliesKey, withoutRepeats } from "./cache";
import { CommentRow } from "./comment-row";
import styles from "./replies.module.css";

interface RepliesProps {
  comment: Comment;
  post: Post;
  isOpen: boolean;
  onOpen: () => void;
  onReply: (comment: Comment) => void;
}

/** The replies to a comment, after the reader has asked for them. */
export function Replies({ comment, post, isOpen, onOpen, onReply }: RepliesProps) {
  const t = useTexts("compose");
  const common = useTexts("common");
  const query = useInfiniteQuery({
    ...pages<Comment>(repliesKey(comment.id), (cursor, options) =>
      blegram.comments.listReplies(comment.id, cursor, options),
    ),
    select: withoutRepeats,
    enabled: isOpen,
  });
  const replies = itemsOf(query.data);
  if (comment.reply_count === 0 && replies.length === 0) return null;
  return (
    <div className={styles.replies}>
      {!isOpen && (
        <Button kind="quiet" small onClick={onOpen}>
          {t("show_replies", { count: comment.reply_count })}
        </Button>
      )}
      {isOpen && (
        <ol aria-label={t("replies", { count: comment.reply_count })} aria-busy={query.isPending}>
          {replies.map((reply) => (
            <li key={reply.id}>
              <CommentRow comment={reply} post={post} onReply={onReply} />
            </li>
          ))}
        </ol>
      )}
      {isOpen && query.isError && <Failure error={query.error} onRetry={() => void query.refetch()} />}
      {isOpen && query.hasNextPage && (
        <Button kind="quiet" small busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          {common("load_more")}
        </Button>
      )}
    </div>
  );
}
