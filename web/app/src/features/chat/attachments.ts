// The images of a message that is being written. They are uploaded when they are chosen, so that the message is sent at once.

import { AbortError, type Media } from "@blegram/client";
import { useCallback, useEffect, useRef, useState } from "react";
import { queries } from "../../query";
import { blegram } from "../../site";
import { toastError } from "../../ui/toast";
import { prepareImage, UnsupportedImage } from "../media/prepare-image";

export interface Attachment {
  key: string;
  /** An address of the image, which may be on the device only. */
  preview: string;
  /** How much was uploaded, of 1. */
  progress: number;
  /** The image, once it is uploaded. */
  media?: Media | undefined;
  error?: unknown;
  /** Absent if the image was uploaded before. */
  file?: File;
}

let keys = 0;

const uploaded = (media: Media): Attachment => ({
  key: media.id,
  preview: media.variants.find(({ name }) => name === "thumb")?.url ?? media.url,
  progress: 1,
  media,
});

export function useAttachments(initial: Media[]) {
  const [attachments, setAttachments] = useState<Attachment[]>(() => initial.map(uploaded));
  const uploads = useRef(new Map<string, AbortController>());

  const change = useCallback((key: string, next: Partial<Attachment>) => {
    setAttachments((all) =>
      all.map((attachment) => (attachment.key === key ? { ...attachment, ...next } : attachment)),
    );
  }, []);

  const upload = useCallback(
    async ({ key, file }: Attachment) => {
      if (!file) return;
      const controller = new AbortController();
      uploads.current.set(key, controller);
      change(key, { error: undefined, progress: 0 });
      try {
        const { items } = await blegram.media.upload(await prepareImage(file), {
          signal: controller.signal,
          onProgress: (sent, total) => change(key, { progress: sent / Math.max(1, total) }),
        });
        const [media] = items;
        if (media) queries.setQueryData(["media", media.id], media);
        change(key, { media, progress: 1 });
      } catch (error) {
        if (error instanceof UnsupportedImage) {
          // To upload it again would not help.
          setAttachments((all) => all.filter((attachment) => attachment.key !== key));
          toastError(error);
        } else if (!(error instanceof AbortError)) change(key, { error });
      } finally {
        uploads.current.delete(key);
      }
    },
    [change],
  );

  const add = (files: File[]) => {
    const added = files.map((file) => {
      const key = `file ${++keys}`;
      return { key, file, preview: URL.createObjectURL(file), progress: 0 };
    });
    setAttachments((all) => [...all, ...added]);
    for (const attachment of added) void upload(attachment);
  };

  const remove = (key: string) => {
    uploads.current.get(key)?.abort();
    setAttachments((all) => all.filter((attachment) => attachment.key !== key));
  };

  const all = useRef(attachments);
  all.current = attachments;
  useEffect(
    () => () => {
      for (const controller of uploads.current.values()) controller.abort();
      for (const { preview } of all.current) if (preview.startsWith("blob:")) URL.revokeObjectURL(preview);
    },
    [],
  );

  return {
    attachments,
    /** The images that are uploaded, in order. */
    media: attachments.flatMap(({ media }) => media ?? []),
    isReady: attachments.every(({ media }) => media),
    add,
    remove,
    retry: (attachment: Attachment) => void upload(attachment),
    replace: (media: Media) => change(attachments.find((other) => other.media?.id === media.id)?.key ?? "", { media }),
    clear: () => setAttachments([]),
    /** Puts images back that were not sent. */
    restore: (unsent: Media[]) => setAttachments((all) => [...unsent.map(uploaded), ...all]),
  };
}
