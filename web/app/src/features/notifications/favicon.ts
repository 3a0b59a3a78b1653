// The icon of the browser's tab, and of the installed app, says that something is unread.

import { serverPage } from "../../site";

const SIZE = 64;
let original: string | undefined;

/** Marks the icon if there is something unread, otherwise restores it. */
export async function markFavicon(unread: number): Promise<void> {
  const badge = unread > 0 ? navigator.setAppBadge?.(unread) : navigator.clearAppBadge?.();
  // Without a permission to do so, there is no badge.
  badge?.catch(() => {});
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"][type="image/svg+xml"]');
  if (!link) return;
  original ??= link.href;
  link.href = unread > 0 ? await marked : original;
}

const marked = drawMarked();

async function drawMarked(): Promise<string> {
  const icon = new Image(SIZE, SIZE);
  icon.src = serverPage("/icons/icon.svg");
  await icon.decode();
  const canvas = document.createElement("canvas");
  canvas.width = SIZE;
  canvas.height = SIZE;
  const context = canvas.getContext("2d");
  if (!context) return icon.src;
  context.drawImage(icon, 0, 0, SIZE, SIZE);
  context.beginPath();
  context.arc(SIZE * 0.76, SIZE * 0.24, SIZE * 0.24, 0, 2 * Math.PI);
  context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--like");
  context.fill();
  return canvas.toDataURL();
}
