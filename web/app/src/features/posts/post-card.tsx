import type { Post } from "@blegram/client";
import { Link } from "react-router";
import { Avatar } from "../../ui/avatar";
import { RichText } from "../../ui/rich-text";
import { Time } from "../../ui/time";
import styles from "./post-card.module.css";

/** A post in a list. */
export function PostCard({ post }: { post: Post }) {
  const { author } = post;
  return (
    <article className={styles.post} aria-label={author.display_name}>
      <header className={styles.header}>
        <Link to={`/@${author.username}`} className={styles.author}>
          <Avatar user={author} />
          <strong>{author.display_name}</strong>
          <span className="faint">@{author.username}</span>
        </Link>
        <Link to={`/posts/${post.id}`}>
          <Time at={post.created_at} />
        </Link>
      </header>
      {post.media[0] && (
        <img
          src={post.media[0].url}
          alt={post.media[0].alt ?? ""}
          width={post.media[0].width}
          height={post.media[0].height}
        />
      )}
      <p className={styles.text}>
        <RichText text={post.text} hashtags={post.hashtags} mentions={post.mentions} />
      </p>
    </article>
  );
}
