import type { Account } from "@blegram/client";
import { useMutation } from "@tanstack/react-query";
import { ImagePlus, Trash2 } from "lucide-react";
import { lazy, Suspense, useRef, useState } from "react";
import { useTexts } from "../../i18n";
import { Unavailable } from "../../problems";
import { ME, queries } from "../../query";
import { blegram } from "../../site";
import { Avatar } from "../../ui/avatar";
import { Button } from "../../ui/button";
import { Spinner } from "../../ui/states";
import { toast, toastError } from "../../ui/toast";
import styles from "./picture.module.css";

const PictureEditor = lazy(() => import("./picture-editor"));

/** The picture of the profile: another one, or none. */
export function ProfilePicture({ me }: { me: Account }) {
  const t = useTexts("settings");
  const input = useRef<HTMLInputElement>(null);
  const [image, setImage] = useState<ImageBitmap>();
  const remove = useMutation({
    mutationFn: () => blegram.users.updateMe({ avatar_media_id: null }),
    onSuccess: (account) => {
      queries.setQueryData(ME, account);
      toast(t("picture_removed"));
    },
    onError: toastError,
  });
  const choose = async (file: File | undefined) => {
    if (!file) return;
    try {
      setImage(await createImageBitmap(file));
    } catch {
      toastError(new Unavailable(file.type.startsWith("image/") ? "media-unsupported" : "unsupported-media-type"));
    }
  };
  const close = () => {
    image?.close();
    setImage(undefined);
  };
  return (
    <div className={styles.picture}>
      <Avatar user={me} size={96} />
      <div className={styles.buttons}>
        <input
          ref={input}
          type="file"
          accept="image/*"
          hidden
          aria-label={t("picture_change")}
          onChange={(event) => {
            void choose(event.target.files?.[0]);
            // The same file can be chosen again.
            event.target.value = "";
          }}
        />
        <Button icon={ImagePlus} onClick={() => input.current?.click()}>
          {t("picture_change")}
        </Button>
        {me.avatar_url && (
          <Button kind="quiet" icon={Trash2} busy={remove.isPending} onClick={() => remove.mutate()}>
            {t("picture_remove")}
          </Button>
        )}
      </div>
      {image && (
        <Suspense fallback={<Spinner />}>
          <PictureEditor image={image} onClose={close} />
        </Suspense>
      )}
    </div>
  );
}
