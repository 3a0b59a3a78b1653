import type { Post } from "@blegram/client";
import { Heart } from "lucide-react";
import { lazy, Suspense, useRef, useState } from "react";
import { Carousel } from "../media/carousel";
import { useMe } from "../session/session";
import { refreshPost, useLike } from "./actions";
import styles from "./post-photos.module.css";

const PhotoViewer = lazy(() => import("../media/photo-viewer"));

/** The photos of a post: a double tap likes it, a tap opens one on the whole screen. */
export default function PostPhotos({ post, eager }: { post: Post; eager: boolean }) {
  const me = useMe();
  const like = useLike(post);
  const [opened, setOpened] = useState<number>();
  const [hearts, setHearts] = useState(0);
  const wasRefreshed = useRef(false);

  const onDoubleTap = () => {
    setHearts(hearts + 1);
    if (!post.viewer?.liked) like.mutate(true);
  };
  const onError = () => {
    // The address of a photo that is not public is valid for an hour.
    if (wasRefreshed.current) return;
    wasRefreshed.current = true;
    refreshPost(post.id).catch(() => {
      // The preview stays.
    });
  };
  return (
    <>
      <Carousel
        media={post.media}
        eager={eager}
        onOpen={setOpened}
        onDoubleTap={me ? onDoubleTap : undefined}
        onError={onError}
      >
        {hearts > 0 && <Heart key={hearts} className={styles.heart} fill="currentColor" aria-hidden />}
      </Carousel>
      {opened !== undefined && (
        <Suspense>
          <PhotoViewer media={post.media} start={opened} onClose={() => setOpened(undefined)} />
        </Suspense>
      )}
    </>
  );
}
