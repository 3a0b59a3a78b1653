import type { Media } from "@blegram/client";
import { ChevronLeft, ChevronRight, X } from "lucide-react";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { useTexts } from "../../i18n";
import { IconButton } from "../../ui/button";
import { Photo } from "../media/photo";
import styles from "./image-viewer.module.css";

interface ImageViewerProps {
  images: Media[];
  start: number;
  onClose: () => void;
}

/** Shows images as large as the screen allows. */
export default function ImageViewer({ images, start, onClose }: ImageViewerProps) {
  const t = useTexts("chat");
  const common = useTexts("common");
  const ref = useRef<HTMLDialogElement>(null);
  const [index, setIndex] = useState(start);
  useEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  const image = images[index];
  const go = (step: number) => setIndex((at) => Math.min(images.length - 1, Math.max(0, at + step)));
  const onKeyDown = ({ key }: KeyboardEvent) => {
    if (key === "ArrowLeft") go(-1);
    else if (key === "ArrowRight") go(1);
  };
  return (
    <dialog
      ref={ref}
      className={styles.viewer}
      aria-label={t("image")}
      onKeyDown={onKeyDown}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      {image && (
        <figure key={image.id} className={styles.figure}>
          <Photo media={image} sizes="100vw" fit="contain" />
          {image.alt && <figcaption dir="auto">{image.alt}</figcaption>}
        </figure>
      )}
      <div className={styles.buttons}>
        {images.length > 1 && (
          <>
            <IconButton icon={ChevronLeft} label={t("previous")} disabled={index === 0} onClick={() => go(-1)} />
            <span aria-live="polite">
              {index + 1} / {images.length}
            </span>
            <IconButton
              icon={ChevronRight}
              label={t("next")}
              disabled={index === images.length - 1}
              onClick={() => go(1)}
            />
          </>
        )}
        <IconButton icon={X} label={common("close")} onClick={onClose} />
      </div>
    </dialog>
  );
}
