// The site that served this page, and the client of its API.

import { createApiClient } from "@blegram/client";

/** The path of the site, such as `/` or `/forum/`; the server writes it into the page. */
const path = document.querySelector<HTMLMetaElement>('meta[name="blegram-base"]')?.content ?? "/";

/** The path of the site without a slash at its end, for the router. */
export const basePath = path.replace(/\/+$/, "");

export const blegram = createApiClient({ baseUrl: location.origin + basePath });

/** The address of a page of the server, such as `/docs`. */
export const serverPage = (page: string) => basePath + page;
