import type { Media, Message } from "@blegram/client";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { useTexts } from "../../i18n";
import { blegram } from "../../site";
import { RichText } from "../../ui/rich-text";
import { Skeleton } from "../../ui/states";
import { Photo } from "../media/photo";
import styles from "./bubble.module.css";
import type { Unsent } from "./unsent";

const PhotoViewer = lazy(() => import("../media/photo-viewer"));

interface BubbleProps {
  message: Message | undefined;
  unsent: Unsent | undefined;
  isMine: boolean;
}

/** The content of a message: images, and the text. */
export function Bubble({ message, unsent, isMine }: BubbleProps) {
  const t = useTexts("chat");
  if (message?.is_deleted) return <p className={styles.deleted}>{t("deleted_message")}</p>;
  const text = message?.text ?? unsent?.draft.text;
  return (
    <div className={`${styles.content} ${isMine ? styles.own : ""}`}>
      {message && message.media.length > 0 && <Images images={message.media} />}
      {unsent?.draft.media_ids && <WaitingImages ids={unsent.draft.media_ids} />}
      {text && (
        <p className={`${styles.text} ${isMine ? styles.mine : ""} ${unsent && !unsent.isSent ? styles.waiting : ""}`}>
          <RichText text={text} />
        </p>
      )}
    </div>
  );
}

function Images({ images }: { images: Media[] }) {
  const t = useTexts("chat");
  const [opened, setOpened] = useState<number>();
  return (
    <div className={`${styles.images} ${images.length > 1 ? styles.grid : ""}`}>
      {images.map((image, index) => (
        <button
          key={image.id}
          type="button"
          className={styles.image}
          style={images.length === 1 ? { aspectRatio: ratioOf(image) } : {}}
          aria-label={image.alt ? t("view_image", { alt: image.alt }) : t("view_image_plain")}
          onClick={() => setOpened(index)}
        >
          <Photo media={image} sizes={images.length > 1 ? "140px" : "280px"} fit="cover" />
        </button>
      ))}
      {opened !== undefined && (
        <Suspense>
          <PhotoViewer media={images} start={opened} onClose={() => setOpened(undefined)} />
        </Suspense>
      )}
    </div>
  );
}

/** Not so high or wide that the message does not fit on the screen. */
function ratioOf({ width, height }: Media): number {
  return Math.min(2, Math.max(0.7, width / Math.max(1, height)));
}

/** The images of a message that is not sent yet. A page that was loaded again has only their ids. */
function WaitingImages({ ids }: { ids: string[] }) {
  return (
    <div className={`${styles.images} ${ids.length > 1 ? styles.grid : ""} ${styles.waiting}`}>
      {ids.map((id) => (
        <WaitingImage key={id} id={id} />
      ))}
    </div>
  );
}

function WaitingImage({ id }: { id: string }) {
  const { data } = useQuery({
    queryKey: ["media", id],
    queryFn: ({ signal }) => blegram.media.get(id, { signal }),
    staleTime: Infinity,
  });
  return (
    <span className={styles.image}>
      {data ? <Photo media={data} sizes="140px" fit="cover" /> : <Skeleton height={140} />}
    </span>
  );
}
