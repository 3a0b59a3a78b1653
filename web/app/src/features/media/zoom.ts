/** How a photo is shown: enlarged, and moved by so many pixels. */
export interface View {
  scale: number;
  x: number;
  y: number;
}

export const FIT: View = { scale: 1, x: 0, y: 0 };
const LARGEST = 6;

/** Enlarges about a point, which stays where it is. The point is relative to the middle of the frame. */
export function zoom(view: View, factor: number, at: { x: number; y: number }, frame: Frame): View {
  const scale = Math.min(LARGEST, Math.max(1, view.scale * factor));
  const ratio = scale / view.scale;
  return within({ scale, x: at.x - (at.x - view.x) * ratio, y: at.y - (at.y - view.y) * ratio }, frame);
}

export const move = (view: View, x: number, y: number, frame: Frame): View =>
  within({ ...view, x: view.x + x, y: view.y + y }, frame);

interface Frame {
  width: number;
  height: number;
}

/** An enlarged photo is not moved out of its frame. */
function within({ scale, x, y }: View, { width, height }: Frame): View {
  const clamp = (value: number, size: number) => {
    const room = (size * (scale - 1)) / 2;
    return Math.min(room, Math.max(-room, value));
  };
  return { scale, x: clamp(x, width), y: clamp(y, height) };
}
