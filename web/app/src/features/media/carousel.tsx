import type { Media } from "@blegram/client";
import { ChevronLeft, ChevronRight } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useRef, useState } from "react";
import { useTexts } from "../../i18n";
import styles from "./carousel.module.css";
import { Photo } from "./photo";

interface CarouselProps {
  media: Media[];
  /** Called with a photo that was opened. */
  onOpen: (index: number) => void;
  /** Called by a double tap. Without it, a tap opens a photo at once. */
  onDoubleTap?: (() => void) | undefined;
  /** A photo cannot be loaded. */
  onError?: () => void;
  eager?: boolean;
  /** Lies over the photos. */
  children?: ReactNode;
}

const SIZES = "(min-width: 640px) 600px, 100vw";
/** The second tap of a double tap comes within so many milliseconds. */
const DOUBLE = 280;
/** The photos of a post: swipe, press the arrows, or use the arrow keys. */
export function Carousel({ media, onOpen, onDoubleTap, onError, eager = false, children }: CarouselProps) {
  const t = useTexts("posts");
  const track = useRef<HTMLUListElement>(null);
  const [index, setIndex] = useState(0);
  const count = media.length;

  const show = (next: number) => {
    const { current } = track;
    if (next < 0 || next >= count || !current) return;
    current.scrollTo({ left: next * current.clientWidth });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || count < 2) return;
    event.preventDefault();
    show(index + step);
  };
  const tap = useTap(onDoubleTap);

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: its buttons have the keys
    <div className={styles.box} onKeyDown={onKeyDown}>
      <ul
        ref={track}
        className={styles.track}
        aria-label={t("photos", { count })}
        onScroll={({ currentTarget }) => setIndex(Math.round(currentTarget.scrollLeft / currentTarget.clientWidth))}
      >
        {media.map((photo, place) => (
          <li key={photo.id} inert={place !== index}>
            <button
              type="button"
              className={styles.open}
              aria-label={t("open_photo", { description: photo.alt ?? t("no_alt"), number: place + 1, count })}
              onClick={({ detail }) => tap(detail, () => onOpen(place))}
            >
              {/* Only the photos beside the current one are loaded. */}
              {Math.abs(place - index) <= 1 && (
                <Photo
                  media={photo}
                  sizes={SIZES}
                  fit="cover"
                  eager={eager && place === 0}
                  {...(onError && { onError })}
                />
              )}
            </button>
          </li>
        ))}
      </ul>
      <AltText key={index} alt={media[index]?.alt ?? null} />
      {count > 1 && (
        <>
          <Arrow side="previous" isUsable={index > 0} onPress={() => show(index - 1)} />
          <Arrow side="next" isUsable={index < count - 1} onPress={() => show(index + 1)} />
          <span className={styles.count} aria-live="polite">
            <span aria-hidden>
              {index + 1}/{count}
            </span>
            <span className="spoken">{t("photo_of", { number: index + 1, count })}</span>
          </span>
          <span className={styles.dots} aria-hidden>
            {media.map(({ id }, place) => (
              <span key={id} className={place === index ? styles.current : ""} />
            ))}
          </span>
        </>
      )}
      {children}
    </div>
  );
}

/** Decides between a tap and a double tap. Keys, which have no `detail`, do not wait. */
function useTap(onDoubleTap: (() => void) | undefined) {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  return (detail: number, onTap: () => void) => {
    if (!onDoubleTap || detail === 0) return onTap();
    if (timer.current === undefined) {
      timer.current = setTimeout(() => {
        timer.current = undefined;
        onTap();
      }, DOUBLE);
    } else {
      clearTimeout(timer.current);
      timer.current = undefined;
      onDoubleTap();
    }
  };
}

function Arrow({ side, isUsable, onPress }: { side: "previous" | "next"; isUsable: boolean; onPress: () => void }) {
  const t = useTexts("posts");
  const Icon = side === "next" ? ChevronRight : ChevronLeft;
  return (
    <button
      type="button"
      className={`${styles.arrow} ${styles[side]}`}
      aria-label={t(`${side}_photo`)}
      // It stays in the page at the ends: a focus on it is not lost.
      aria-disabled={!isUsable}
      onClick={onPress}
    >
      <Icon aria-hidden />
    </button>
  );
}

/** A photo with a description says so, and shows it: not only to those who do not see the photo. */
function AltText({ alt }: { alt: string | null }) {
  const t = useTexts("posts");
  const [isOpen, setOpen] = useState(false);
  if (!alt) return null;
  return (
    <>
      <button
        type="button"
        className={styles.alt}
        aria-expanded={isOpen}
        aria-label={t("show_alt")}
        onClick={() => setOpen(!isOpen)}
      >
        <span>ALT</span>
      </button>
      {isOpen && (
        <p className={styles.description} dir="auto">
          {alt}
        </p>
      )}
    </>
  );
}
