import type { Post } from "@blegram/client";
import { Bookmark, Heart, MessageCircle, Share2 } from "lucide-react";
import { Link } from "react-router";
import { shortNumber, useTexts } from "../../i18n";
import { IconButton } from "../../ui/button";
import { useBookmark, useLike } from "./actions";
import { useAsMember } from "./as-member";
import styles from "./post-actions.module.css";
import { useShare } from "./share";

/** What can be done with a post, and how many have done it. */
export function PostActions({ post, isPage }: { post: Post; isPage: boolean }) {
  const t = useTexts("posts");
  const asMember = useAsMember();
  const like = useLike(post);
  const bookmark = useBookmark(post);
  const share = useShare(post);
  const { id, like_count, comment_count, viewer } = post;
  const isLiked = viewer?.liked ?? false;
  const isBookmarked = viewer?.bookmarked ?? false;
  return (
    <div className={styles.actions}>
      <IconButton
        icon={Heart}
        label={t("like")}
        aria-pressed={isLiked}
        filled={isLiked}
        className={isLiked ? styles.liked : ""}
        onClick={() => asMember(() => like.mutate(!isLiked))}
      />
      {like_count > 0 && (
        <Link to={`/posts/${id}/likers`} className={styles.count}>
          {!isPage && <span aria-hidden>{shortNumber(like_count)}</span>}
          <span className={isPage ? "" : "spoken"}>{t("likes", { count: like_count })}</span>
        </Link>
      )}
      {!isPage && (
        <Link to={`/posts/${id}`} className={styles.comments}>
          <MessageCircle size={22} aria-hidden />
          {comment_count > 0 && <span aria-hidden>{shortNumber(comment_count)}</span>}
          <span className="spoken">{comment_count > 0 ? t("comments", { count: comment_count }) : t("comment")}</span>
        </Link>
      )}
      <span className={styles.space} />
      <IconButton icon={Share2} label={t("share")} onClick={share} size={20} />
      <IconButton
        icon={Bookmark}
        label={t("bookmark")}
        aria-pressed={isBookmarked}
        filled={isBookmarked}
        onClick={() => asMember(() => bookmark.mutate(!isBookmarked))}
      />
    </div>
  );
}
