// What the server accepts of the files that people choose. Phones store photos as HEIC, and a photo may be too large: the browser
// decodes what it can, and the app sends it as JPEG.

import { queries } from "../../query";
import { instanceQuery } from "../session/session";
import { kindOf } from "./file-kind";
import { planFor, sizeWithin, UnsupportedImage } from "./image-rules";

export { UnsupportedImage };

/** Returns the file as the server accepts it, or fails with {@link UnsupportedImage}. */
export async function prepareImage(file: File): Promise<File> {
  const { limits } = await queries.ensureQueryData(instanceQuery);
  const kind = kindOf(new Uint8Array(await file.slice(0, 64).arrayBuffer()), file.type);
  if (planFor(kind, file.size, limits) === "send") return file;
  let encoded: Blob;
  try {
    encoded = await encode(file, limits.media_max_pixels);
  } catch {
    throw new UnsupportedImage(kind === "image/heic" ? "heic" : "broken");
  }
  if (encoded.size > limits.media_max_bytes) throw new UnsupportedImage("too_large");
  return new File([encoded], `${file.name.replace(/\.\w+$/, "") || "photo"}.jpg`, { type: "image/jpeg" });
}

/** High enough that no loss is visible. */
const QUALITY = 0.92;

async function encode(file: File, maxPixels: number): Promise<Blob> {
  const image = await createImageBitmap(file);
  try {
    const { width, height } = sizeWithin(image, maxPixels);
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    if (!context) throw new Error("no canvas");
    // JPEG has no transparency.
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
    context.drawImage(image, 0, 0, width, height);
    return await new Promise((resolve, reject) => {
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no image"))), "image/jpeg", QUALITY);
    });
  } finally {
    image.close();
  }
}
