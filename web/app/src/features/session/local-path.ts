/** The path of this site that `target` names, otherwise `/`: a link to the login must not lead to another site after it. */
export function localPath(target: string | null): string {
  if (!target?.startsWith("/")) return "/";
  // By the browser's own parser, which removes tabs and takes `\` for `/`.
  const base = "http://site.invalid";
  const url = URL.canParse(target, base) ? new URL(target, base) : undefined;
  // The path may still begin with two slashes (`/.//other.example`), which the router would take for another site.
  if (url?.origin !== base || url.pathname.startsWith("//")) return "/";
  // Back to the login would be a circle.
  if (/^\/(login|signup|forgot-password)(\/|$)/.test(url.pathname)) return "/";
  return url.pathname + url.search + url.hash;
}
