// The square of an image that becomes the profile picture.

export interface Size {
  width: number;
  height: number;
}

/** The centre of the square in fractions of the image, and how much it is enlarged: at 1, the square is as large as possible. */
export interface Crop {
  x: number;
  y: number;
  zoom: number;
}

export const CENTRE: Crop = { x: 0.5, y: 0.5, zoom: 1 };
export const MAX_ZOOM = 4;

/** The nearest crop whose square is inside of the image. */
export function clampCrop({ width, height }: Size, { x, y, zoom }: Crop): Crop {
  const clamped = clamp(zoom, 1, MAX_ZOOM);
  const half = Math.min(width, height) / clamped / 2;
  return {
    x: clamp(x, half / width, 1 - half / width),
    y: clamp(y, half / height, 1 - half / height),
    zoom: clamped,
  };
}

/** The square in pixels of the image. */
export function squareOf(size: Size, crop: Crop): { left: number; top: number; side: number } {
  const { x, y, zoom } = clampCrop(size, crop);
  const side = Math.min(size.width, size.height) / zoom;
  return { left: x * size.width - side / 2, top: y * size.height - side / 2, side };
}

/** Moves the image by a fraction of the square, as a finger does: to the right shows more of its left. */
export function moveCrop(size: Size, crop: Crop, right: number, down: number): Crop {
  const { side } = squareOf(size, crop);
  return clampCrop(size, {
    ...crop,
    x: crop.x - (right * side) / size.width,
    y: crop.y - (down * side) / size.height,
  });
}

const clamp = (value: number, min: number, max: number) => Math.min(Math.max(value, min), max);
