import type { Post } from "@blegram/client";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Images } from "lucide-react";
import type { ReactNode } from "react";
import { Link, useNavigationType } from "react-router";
import { useTexts } from "../../i18n";
import { itemsOf, type Loaded, pages } from "../../query";
import { PageList } from "../../ui/page-list";
import { Skeleton, Spinner } from "../../ui/states";
import { Photo } from "../media/photo";
import styles from "./photo-grid.module.css";

const COLUMNS = 3;

interface PhotoGridProps {
  /** The same key as that of the list: both show the same posts. */
  queryKey: readonly unknown[];
  list: Parameters<typeof pages<Post>>[1];
  label: string;
  empty: ReactNode;
}

/** The photos of a list of posts, three in a row. */
export function PhotoGrid({ queryKey, list, label, empty }: PhotoGridProps) {
  // Who comes back finds the grid as it was left; who opens it anew sees what is new.
  const isBack = useNavigationType() === "POP";
  const query = useInfiniteQuery({
    ...pages(queryKey, list),
    select: inRows,
    ...(isBack ? { staleTime: Number.POSITIVE_INFINITY } : {}),
  });
  return (
    <PageList
      query={query}
      keyOf={([first]) => first?.id ?? ""}
      label={label}
      // The next page may have photos.
      empty={query.hasNextPage ? <Spinner /> : empty}
      skeleton={<GridSkeleton />}
    >
      {(row) => (
        <div className={styles.row}>
          {row.map((post) => (
            <Tile key={post.id} post={post} />
          ))}
        </div>
      )}
    </PageList>
  );
}

/** The posts with photos, in rows. All of them are one page, because a row can have posts of two pages. */
export function inRows(data: Loaded<Post>): Loaded<Post[]> {
  const posts = itemsOf(data).filter(({ media }) => media.length > 0);
  const rows = Array.from({ length: Math.ceil(posts.length / COLUMNS) }, (_, row) =>
    posts.slice(row * COLUMNS, (row + 1) * COLUMNS),
  );
  return { pages: [{ items: rows, next_cursor: null }], pageParams: [undefined] };
}

function Tile({ post }: { post: Post }) {
  const t = useTexts("people");
  const [photo, ...others] = post.media;
  if (!photo) return null;
  const text = post.text.replace(/\s+/g, " ").slice(0, 80);
  const name = post.author.display_name;
  return (
    <Link
      to={`/posts/${post.id}`}
      className={styles.tile}
      aria-label={[t("photo_of", { name }), photo.alt ?? text].filter(Boolean).join(": ")}
    >
      <Photo media={photo} sizes="(min-width: 720px) 200px, 33vw" fit="cover" />
      {others.length > 0 && (
        <span className={styles.several}>
          <Images size={18} aria-hidden />
        </span>
      )}
    </Link>
  );
}

export function GridSkeleton() {
  return (
    <div aria-hidden>
      {[0, 1, 2].map((row) => (
        <div key={row} className={styles.row}>
          {[0, 1, 2].map((column) => (
            <div key={column} className={styles.tile}>
              <Skeleton height={400} />
            </div>
          ))}
        </div>
      ))}
    </div>
  );
}
