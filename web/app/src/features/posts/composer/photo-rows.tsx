import { ArrowDown, ArrowUp, ImageOff, RotateCw, X } from "lucide-react";
import { type DragEvent, useId, useRef, useState } from "react";
import { useTexts } from "../../../i18n";
import { useProblemText } from "../../../problems";
import { Button, IconButton } from "../../../ui/button";
import { UnsupportedImage } from "../../media/image-rules";
import { useInstance } from "../../session/session";
import { charsText } from "../chars-text";
import { charsLeft } from "../count";
import { altLimit } from "./composer";
import type { Editor, Photo } from "./editor";
import styles from "./photo-rows.module.css";

/** The photos of a post that is written, in their order: each with its description and its upload. */
export function PhotoRows({ editor, photos }: { editor: Editor; photos: Photo[] }) {
  const t = useTexts("compose");
  const posts = useTexts("posts");
  const list = useRef<HTMLOListElement>(null);
  const [moved, setMoved] = useState("");
  if (photos.length === 0) return null;

  const move = (photo: Photo, to: number) => {
    editor.move(photo.id, to);
    setMoved(t("photo_moved", { number: to + 1, count: photos.length }));
  };
  const remove = (photo: Photo, index: number) => {
    editor.remove(photo.id);
    // The focus goes to the next photo, or to the text.
    const next = list.current?.children[index === photos.length - 1 ? index - 1 : index + 1];
    const target = next?.querySelector("textarea") ?? list.current?.closest("form")?.querySelector("textarea");
    target?.focus();
  };
  return (
    <>
      <ol ref={list} className={styles.rows} aria-label={posts("photos", { count: photos.length })}>
        {photos.map((photo, index) => (
          <PhotoRow
            key={photo.id}
            editor={editor}
            photo={photo}
            index={index}
            count={photos.length}
            onMove={(to) => move(photo, to)}
            onRemove={() => remove(photo, index)}
          />
        ))}
      </ol>
      <span role="status" className="spoken">
        {moved}
      </span>
    </>
  );
}

interface PhotoRowProps {
  editor: Editor;
  photo: Photo;
  index: number;
  count: number;
  onMove: (to: number) => void;
  onRemove: () => void;
}

/** What is dragged, for the row on which it is dropped. */
const DRAGGED = "application/x-blegram-photo";

function PhotoRow({ editor, photo, index, count, onMove, onRemove }: PhotoRowProps) {
  const t = useTexts("compose");
  const posts = useTexts("posts");
  const { limits } = useInstance();
  const id = useId();
  const number = index + 1;
  const left = charsLeft(photo.alt, altLimit(limits));
  const drag = {
    onDragOver: (event: DragEvent) => {
      if (event.dataTransfer.types.includes(DRAGGED)) event.preventDefault();
    },
    onDrop: (event: DragEvent) => {
      const dragged = event.dataTransfer.getData(DRAGGED);
      if (dragged) editor.move(dragged, index);
    },
  };
  return (
    <li className={styles.row} {...drag}>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: keyboards have the buttons */}
      <span
        className={styles.preview}
        draggable
        onDragStart={(event) => event.dataTransfer.setData(DRAGGED, photo.id)}
        title={count > 1 ? t("drag_to_move") : undefined}
      >
        <Preview key={photo.url} url={photo.url} alt={posts("photo_of", { number, count })} />
        {photo.state === "uploading" && (
          <progress
            className={styles.progress}
            value={photo.progress < 1 ? photo.progress : undefined}
            aria-label={t("uploading", { number })}
          />
        )}
      </span>
      <div className={styles.details}>
        {photo.state === "failed" ? (
          <Failed editor={editor} photo={photo} />
        ) : (
          <>
            <textarea
              dir="auto"
              rows={2}
              aria-label={t("alt_of", { number })}
              placeholder={t("alt_placeholder")}
              aria-invalid={left < 0 || undefined}
              aria-describedby={left < 0 ? id : undefined}
              value={photo.alt}
              onChange={({ target }) => editor.describe(photo.id, target.value)}
            />
            {left < 0 && (
              <p id={id} className={styles.error}>
                {charsText(t, left)}
              </p>
            )}
          </>
        )}
      </div>
      <div className={styles.buttons}>
        <IconButton icon={X} size={20} label={t("remove_photo", { number })} onClick={onRemove} />
        {count > 1 && (
          <>
            <IconButton
              icon={ArrowUp}
              size={20}
              label={t("move_up", { number })}
              disabled={index === 0}
              onClick={() => onMove(index - 1)}
            />
            <IconButton
              icon={ArrowDown}
              size={20}
              label={t("move_down", { number })}
              disabled={index === count - 1}
              onClick={() => onMove(index + 1)}
            />
          </>
        )}
      </div>
    </li>
  );
}

/** A photo, or a symbol for a file that the browser cannot show, such as HEIC. */
function Preview({ url, alt }: { url: string; alt: string }) {
  const [isShown, setShown] = useState(true);
  return isShown ? (
    <img src={url} alt={alt} draggable={false} onError={() => setShown(false)} />
  ) : (
    <ImageOff role="img" aria-label={alt} aria-hidden={false} />
  );
}

function Failed({ editor, photo }: { editor: Editor; photo: Photo }) {
  const common = useTexts("common");
  const problemText = useProblemText();
  return (
    <>
      <p role="alert" className={styles.error}>
        {problemText(photo.error)}
      </p>
      {/* A file that is no photo does not become one. */}
      {!(photo.error instanceof UnsupportedImage) && (
        <Button small icon={RotateCw} onClick={() => editor.retry(photo.id)}>
          {common("retry")}
        </Button>
      )}
    </>
  );
}
