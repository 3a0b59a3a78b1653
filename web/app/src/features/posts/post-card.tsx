import type { Post } from "@blegram/client";
import { Lock } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { Link } from "react-router";
import { useTexts } from "../../i18n";
import { Avatar } from "../../ui/avatar";
import { RichText } from "../../ui/rich-text";
import { Time } from "../../ui/time";
import { boxRatio } from "../media/box-ratio";
import { Clamped } from "./clamped";
import { PostActions } from "./post-actions";
import styles from "./post-card.module.css";
import { useTopic } from "./topics";

export const loadPhotos = () => import("./post-photos");
const PostPhotos = lazy(loadPhotos);
const PostMenu = lazy(() => import("./post-menu"));
const Revisions = lazy(() => import("./revisions"));

interface PostCardProps {
  post: Post;
  /** The post is the page: all of its text is shown. */
  isPage?: boolean;
  /** It is at the top of the page: its photos are loaded first. */
  isFirst?: boolean;
}

/** A post. */
export function PostCard({ post, isPage = false, isFirst = false }: PostCardProps) {
  const t = useTexts("posts");
  const { author, text, media } = post;
  useTopic(`post:${post.id}`);
  return (
    <article className={styles.post} aria-label={t("post_by", { name: author.display_name })}>
      <header className={styles.header}>
        <Link to={`/@${author.username}`} className={styles.author}>
          <Avatar user={author} />
          <span className={styles.names}>
            <strong dir="auto">{author.display_name}</strong>
            <span className="faint">@{author.username}</span>
          </span>
        </Link>
        <When post={post} isPage={isPage} />
        <Suspense fallback={<span className={styles.menu} />}>
          <PostMenu post={post} isPage={isPage} />
        </Suspense>
      </header>
      {media.length > 0 && (
        <div className={styles.photos} style={{ aspectRatio: boxRatio(media) }}>
          <Suspense>
            <PostPhotos post={post} eager={isFirst} />
          </Suspense>
        </div>
      )}
      {text && (
        <div className={media.length > 0 ? styles.caption : styles.text}>
          <Clamped isOpen={isPage} to={`/posts/${post.id}`}>
            <RichText text={text} hashtags={post.hashtags} mentions={post.mentions} />
          </Clamped>
        </div>
      )}
      <PostActions post={post} isPage={isPage} />
    </article>
  );
}

/** When it was written, for whom, and whether it was edited. */
function When({ post, isPage }: { post: Post; isPage: boolean }) {
  const t = useTexts("posts");
  const [isOpen, setOpen] = useState(false);
  return (
    <span className={styles.when}>
      {post.visibility === "followers" && (
        <span role="img" title={t("for_followers")} aria-label={t("for_followers")}>
          <Lock size={14} aria-hidden />
        </span>
      )}
      {isPage ? (
        <Time at={post.created_at} />
      ) : (
        <Link to={`/posts/${post.id}`} className={styles.time}>
          <Time at={post.created_at} />
        </Link>
      )}
      {post.edited_at && (
        <button type="button" className={styles.edited} onClick={() => setOpen(true)}>
          {t("edited")}
        </button>
      )}
      {isOpen && (
        <Suspense>
          <Revisions subject={{ type: "post", id: post.id }} onClose={() => setOpen(false)} />
        </Suspense>
      )}
    </span>
  );
}
