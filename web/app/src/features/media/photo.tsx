import type { Media } from "@blegram/client";
import { decodeBlurHash } from "fast-blurhash";
import { useEffect, useRef, useState } from "react";
import styles from "./photo.module.css";

interface PhotoProps {
  media: Media;
  /** How wide it is on the screen, as the attribute `sizes` of an image says it. */
  sizes: string;
  /** Fills its container, which must be positioned. Without it, the box has the ratio of the image. */
  fit?: "cover" | "contain";
  /** Loads it before it is visible. */
  eager?: boolean;
  /** The image cannot be loaded: its address has expired, or it was deleted. */
  onError?: () => void;
}

/** An image of the server: its box has its size at once, and a blurred preview until it is loaded. */
export function Photo({ media, sizes, fit, eager = false, onError }: PhotoProps) {
  const [isLoaded, setLoaded] = useState(false);
  const box = fit ? {} : { aspectRatio: `${media.width} / ${media.height}` };
  return (
    <span className={`${styles.photo} ${fit ? styles[fit] : ""}`} style={box}>
      {!isLoaded && <Preview hash={media.blurhash} />}
      <img
        // One that the browser has already is shown without the preview.
        ref={(image) => {
          if (image?.complete && image.naturalWidth > 0) setLoaded(true);
        }}
        src={media.url}
        srcSet={srcSetOf(media)}
        sizes={sizes}
        alt={media.alt ?? ""}
        width={media.width}
        height={media.height}
        loading={eager ? "eager" : "lazy"}
        decoding="async"
        draggable={false}
        className={isLoaded ? styles.loaded : ""}
        onLoad={() => setLoaded(true)}
        onError={onError}
      />
    </span>
  );
}

/** The sizes of the whole image. Thumbnails are cut. */
export function srcSetOf({ variants, url, width }: Media): string {
  const whole = new Map([[width, url]]);
  for (const variant of variants) if (variant.name !== "thumb") whole.set(variant.width, variant.url);
  return [...whole].map(([size, address]) => `${address} ${size}w`).join(", ");
}

/** The browser enlarges so many pixels smoothly. */
const PREVIEW = 32;

function Preview({ hash }: { hash: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    try {
      const pixels = new Uint8ClampedArray(decodeBlurHash(hash, PREVIEW, PREVIEW));
      canvas.current?.getContext("2d")?.putImageData(new ImageData(pixels, PREVIEW, PREVIEW), 0, 0);
    } catch {
      // Without a preview, the box is grey.
    }
  }, [hash]);
  return <canvas ref={canvas} width={PREVIEW} height={PREVIEW} aria-hidden />;
}
