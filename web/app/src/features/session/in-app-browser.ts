// Browsers inside of other apps. Google rejects logins in them (`disallowed_useragent`), so its button says how to leave.

export type InAppBrowser = "KakaoTalk" | "NAVER" | "Instagram" | "Facebook" | "LINE";

const APPS: readonly (readonly [InAppBrowser, RegExp])[] = [
  ["KakaoTalk", /KAKAOTALK/i],
  ["NAVER", /NAVER\(inapp/i],
  ["Instagram", /Instagram/i],
  ["Facebook", /FBAN|FBAV/],
  ["LINE", /\bLine\//i],
];

/** The app whose browser this is. */
export function inAppBrowser(userAgent: string): InAppBrowser | undefined {
  return APPS.find(([, pattern]) => pattern.test(userAgent))?.[0];
}

/** An address that opens `url` in the system's browser, where the app or the system has one. */
export function systemBrowserAddress(app: InAppBrowser, userAgent: string, url: string): string | undefined {
  if (app === "KakaoTalk") return `kakaotalk://web/openExternal?url=${encodeURIComponent(url)}`;
  if (app === "LINE") {
    const address = new URL(url);
    address.searchParams.set("openExternalBrowser", "1");
    return address.href;
  }
  if (!/Android/i.test(userAgent)) return undefined;
  const { protocol, host, pathname, search } = new URL(url);
  return `intent://${host}${pathname}${search}#Intent;scheme=${protocol.slice(0, -1)};action=android.intent.action.VIEW;category=android.intent.category.BROWSABLE;end`;
}
