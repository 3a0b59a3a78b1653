import { expect, test } from "vitest";
import { inAppBrowser, systemBrowserAddress } from "./in-app-browser";

const ANDROID = "Mozilla/5.0 (Linux; Android 15; SM-S921N) AppleWebKit/537.36 Chrome/131.0 Mobile Safari/537.36";
const IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/22B83";
const URL = "https://blegram.example/login?next=%2Fnew";

test.each([
  [`${ANDROID} KAKAOTALK/25.1.0 (INAPP)`, "KakaoTalk"],
  [`${IPHONE} NAVER(inapp; search; 2000; 12.9.0; 15PRO)`, "NAVER"],
  [`${IPHONE} Instagram 360.0.0 (iPhone15,4)`, "Instagram"],
  [`${IPHONE} [FBAN/FBIOS;FBAV/490.0]`, "Facebook"],
  [`${ANDROID} Line/14.19.0`, "LINE"],
  [ANDROID, undefined],
  [`${IPHONE} Version/18.1 Safari/604.1`, undefined],
  ["Mozilla/5.0 Whale/3.28 Safari/537.36 Online/1", undefined],
])("%s: %s", (userAgent, app) => {
  expect(inAppBrowser(userAgent)).toBe(app);
});

test("KakaoTalk opens the system's browser by an address of its own", () => {
  expect(systemBrowserAddress("KakaoTalk", IPHONE, URL)).toBe(
    "kakaotalk://web/openExternal?url=https%3A%2F%2Fblegram.example%2Flogin%3Fnext%3D%252Fnew",
  );
});

test("Android opens an intent, and iOS has none", () => {
  expect(systemBrowserAddress("Instagram", ANDROID, URL)).toBe(
    "intent://blegram.example/login?next=%2Fnew#Intent;scheme=https;action=android.intent.action.VIEW;category=android.intent.category.BROWSABLE;end",
  );
  expect(systemBrowserAddress("Instagram", IPHONE, URL)).toBeUndefined();
});
