// The title of the browser's tab: the page, and how much is unread.

let page = "";
let unread = 0;

function update(): void {
  document.title = `${unread > 0 ? `(${unread > 99 ? "99+" : unread}) ` : ""}${page ? `${page} · ` : ""}blegram`;
}

export function setTitle(title: string): void {
  page = title;
  update();
}

export function setUnread(count: number): void {
  unread = count;
  update();
}
