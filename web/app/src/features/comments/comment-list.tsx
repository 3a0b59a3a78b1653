import type { Comment, Post } from "@blegram/client";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { MessageCircle } from "lucide-react";
import { useRef, useState } from "react";
import { useTexts } from "../../i18n";
import { pages } from "../../query";
import { blegram } from "../../site";
import { PageList } from "../../ui/page-list";
import { Empty } from "../../ui/states";
import { commentsKey, withoutRepeats } from "./cache";
import { CommentComposer, type ReplyTo } from "./comment-composer";
import styles from "./comment-list.module.css";
import { CommentRow } from "./comment-row";
import { latestKey } from "./events";
import { Replies } from "./replies";

/** The comments of a post, and where they are written. */
export function CommentList({ post }: { post: Post }) {
  const t = useTexts("compose");
  const posts = useTexts("posts");
  const composer = useRef<{ focus: () => void }>(null);
  const [replyTo, setReplyTo] = useState<ReplyTo>();
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const query = useInfiniteQuery({
    ...pages<Comment>(commentsKey(post.id), (cursor, options) => blegram.comments.list(post.id, cursor, options)),
    select: withoutRepeats,
    refetchOnWindowFocus: true,
  });

  const reply = (comment: Comment) => {
    if (!comment.author) return;
    setReplyTo({ id: comment.id, thread: comment.parent_id ?? comment.id, name: comment.author.display_name });
    composer.current?.focus();
  };
  const open = (thread: string) => setOpened(new Set([...opened, thread]));
  return (
    <>
      {post.comment_count > 0 && <h2 className={styles.heading}>{posts("comments", { count: post.comment_count })}</h2>}
      <PageList
        query={query}
        label={posts("comments", { count: post.comment_count })}
        empty={
          <Empty icon={MessageCircle} title={t("no_comments")}>
            <p>{t("no_comments_more")}</p>
          </Empty>
        }
      >
        {(comment) => (
          <>
            <CommentRow comment={comment} post={post} onReply={reply} />
            <Replies
              comment={comment}
              post={post}
              isOpen={opened.has(comment.id)}
              onOpen={() => open(comment.id)}
              onReply={reply}
            />
          </>
        )}
      </PageList>
      <Latest post={post.id} />
      <CommentComposer
        ref={composer}
        post={post.id}
        replyTo={replyTo}
        onReplyEnd={() => setReplyTo(undefined)}
        onReplied={open}
      />
    </>
  );
}

/** Reads a comment out that has just arrived. */
function Latest({ post }: { post: string }) {
  const t = useTexts("compose");
  const { data } = useQuery<Comment | null>({ queryKey: latestKey(post), queryFn: () => null, enabled: false });
  return (
    <div role="status" aria-live="polite" className="spoken">
      {data?.author && t("new_comment", { name: data.author.display_name, text: data.text ?? "" })}
    </div>
  );
}
