import type { Media } from "@blegram/client";
import { ChevronLeft, ChevronRight, X, ZoomIn, ZoomOut } from "lucide-react";
import { type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useTexts } from "../../i18n";
import { IconButton } from "../../ui/button";
import { srcSetOf } from "./photo";
import styles from "./photo-viewer.module.css";
import { useZoom } from "./use-zoom";

interface PhotoViewerProps {
  media: Media[];
  /** The photo that is shown first. */
  start: number;
  onClose: () => void;
}

/** Photos on the whole screen: swipe or use the arrows for the next one, pinch or press + and − to enlarge. */
export default function PhotoViewer({ media, start, onClose }: PhotoViewerProps) {
  const t = useTexts("posts");
  const common = useTexts("common");
  const dialog = useRef<HTMLDialogElement>(null);
  const [index, setIndex] = useState(start);
  const count = media.length;
  const step = (by: number) => setIndex((now) => Math.min(count - 1, Math.max(0, now + by)));
  const zoom = useZoom({ onSwipe: step, onSwipeDown: onClose });
  const photo = media[index];

  // As a dialog does it: closed before it leaves the page, it gives the focus back.
  useLayoutEffect(() => {
    const { current } = dialog;
    current?.showModal();
    return () => current?.close();
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another photo is shown as a whole
  useEffect(zoom.reset, [index]);

  const onKeyDown = (event: KeyboardEvent) => {
    const key = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (key) step(key);
    else if (event.key === "+" || event.key === "=") zoom.by(1.5);
    else if (event.key === "-") zoom.by(1 / 1.5);
    else if (event.key === "0") zoom.reset();
    else return;
    event.preventDefault();
  };

  if (!photo) return null;
  const { scale, x, y } = zoom.view;
  return (
    <dialog
      ref={dialog}
      className={styles.viewer}
      aria-label={t("viewer")}
      onKeyDown={onKeyDown}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <div className={styles.stage} ref={zoom.frame} {...zoom.handlers}>
        <img
          key={photo.id}
          src={photo.url}
          srcSet={srcSetOf(photo)}
          sizes="100vw"
          alt={photo.alt ?? t("no_alt")}
          draggable={false}
          className={scale > 1 ? styles.enlarged : ""}
          style={{ transform: `translate(${x}px, ${y}px) scale(${scale})` }}
        />
      </div>
      <div className={styles.top}>
        <span aria-live="polite">{count > 1 && t("photo_of", { number: index + 1, count })}</span>
        <IconButton icon={ZoomOut} label={t("zoom_out")} disabled={scale <= 1} onClick={() => zoom.by(1 / 1.5)} />
        <IconButton icon={ZoomIn} label={t("zoom_in")} disabled={scale >= 6} onClick={() => zoom.by(1.5)} />
        <IconButton icon={X} label={common("close")} onClick={onClose} />
      </div>
      {count > 1 && (
        <>
          <IconButton
            icon={ChevronLeft}
            label={t("previous_photo")}
            className={`${styles.arrow} ${styles.previous}`}
            disabled={index === 0}
            onClick={() => step(-1)}
          />
          <IconButton
            icon={ChevronRight}
            label={t("next_photo")}
            className={`${styles.arrow} ${styles.next}`}
            disabled={index === count - 1}
            onClick={() => step(1)}
          />
        </>
      )}
      {photo.alt && scale === 1 && (
        <p className={styles.alt} dir="auto">
          {photo.alt}
        </p>
      )}
    </dialog>
  );
}
