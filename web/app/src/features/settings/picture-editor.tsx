import { Problem } from "@blegram/client";
import { useMutation } from "@tanstack/react-query";
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from "react";
import { useTexts } from "../../i18n";
import { Unavailable } from "../../problems";
import { ME, queries } from "../../query";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { toast, toastError } from "../../ui/toast";
import { CENTRE, type Crop, clampCrop, MAX_ZOOM, moveCrop, squareOf } from "./crop";
import styles from "./picture.module.css";

/** The side of the picture in pixels: twice that of the largest one that the server makes, for its resizing. */
const SIDE = 640;
const QUALITY = 0.92;
/** How far an arrow key moves, in fractions of the square. */
const STEP = 0.05;
const ARROWS: Record<string, readonly [number, number]> = {
  ArrowLeft: [-STEP, 0],
  ArrowRight: [STEP, 0],
  ArrowUp: [0, -STEP],
  ArrowDown: [0, STEP],
};

interface PictureEditorProps {
  image: ImageBitmap;
  onClose: () => void;
}

/** Chooses the square of an image by dragging, arrow keys and a slider, and makes it the profile picture. */
export default function PictureEditor({ image, onClose }: PictureEditorProps) {
  const t = useTexts("settings");
  const canvas = useRef<HTMLCanvasElement>(null);
  const [crop, setCrop] = useState<Crop>(CENTRE);
  const { mutate, isPending } = useMutation({
    mutationFn: async () => blegram.users.updateMe({ avatar_media_id: await upload(canvas.current) }),
    onSuccess: (account) => {
      queries.setQueryData(ME, account);
      toast(t("picture_changed"));
      onClose();
    },
    onError: toastError,
  });
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    const { left, top, side } = squareOf(image, crop);
    // JPEG has no transparency.
    context.fillStyle = "#fff";
    context.fillRect(0, 0, SIDE, SIDE);
    context.imageSmoothingQuality = "high";
    context.drawImage(image, left, top, side, side, 0, 0, SIDE, SIDE);
  }, [image, crop]);

  const onPointerMove = (event: PointerEvent<HTMLCanvasElement>) => {
    const element = event.currentTarget;
    if (!element.hasPointerCapture(event.pointerId)) return;
    const shown = element.getBoundingClientRect().width;
    setCrop((now) => moveCrop(image, now, event.movementX / shown, event.movementY / shown));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = ARROWS[event.key];
    if (!step) return;
    event.preventDefault();
    setCrop((now) => moveCrop(image, now, ...step));
  };
  return (
    <Dialog
      title={t("picture_crop")}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t("cancel")}</Button>
          <Button kind="primary" busy={isPending} onClick={() => mutate()}>
            {t("picture_use")}
          </Button>
        </>
      }
    >
      <div
        role="application"
        aria-label={t("picture_move")}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys move it
        tabIndex={0}
        className={styles.editor}
        onKeyDown={onKeyDown}
      >
        <canvas
          ref={canvas}
          width={SIDE}
          height={SIDE}
          className={styles.canvas}
          onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
          onPointerMove={onPointerMove}
        />
      </div>
      <label className={styles.zoom}>
        {t("picture_zoom")}
        <input
          type="range"
          min={1}
          max={MAX_ZOOM}
          step={0.05}
          value={crop.zoom}
          onChange={({ target }) => setCrop((now) => clampCrop(image, { ...now, zoom: target.valueAsNumber }))}
        />
      </label>
    </Dialog>
  );
}

/** Uploads what the canvas shows, and returns the id of the image. */
async function upload(canvas: HTMLCanvasElement | null): Promise<string> {
  const blob = await new Promise<Blob | null>((resolve) => canvas?.toBlob(resolve, "image/jpeg", QUALITY));
  if (!blob) throw new Unavailable("media-broken");
  const { items, problems } = await blegram.media.upload({ file: blob, name: "picture.jpg" });
  const [picture] = items;
  if (picture) return picture.id;
  const [problem] = problems;
  throw problem ? new Problem(422, problem) : new Unavailable("unexpected");
}
