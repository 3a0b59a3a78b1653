// The pages of the app. Each is loaded with its texts when it is opened, and the first one together with the app.

import { type ComponentType, lazy } from "react";
import { matchPath } from "react-router";
import { type Area, loadTexts } from "./i18n";
import { basePath } from "./site";

interface Route {
  path: string;
  Page: ComponentType;
  /** Loads the page before it is rendered. */
  load: () => Promise<unknown>;
  /** Visitors are led to the login. */
  needsLogin: boolean;
}

type Module = { default: ComponentType };

function route(path: string, module: () => Promise<Module>, areas: Area[], needsLogin = false): Route {
  const load = async () => (await Promise.all([module(), ...areas.map(loadTexts)]))[0];
  return { path, Page: lazy(load), load, needsLogin };
}

/** A page for accounts. */
const account = (path: string, module: () => Promise<Module>, areas: Area[]) => route(path, module, areas, true);

export const routes: Route[] = [
  route("/", () => import("./routes/home"), ["posts"]),
  route("/explore", () => import("./routes/explore"), ["posts", "people", "discovery"]),
  route("/search", () => import("./routes/search"), ["posts", "people", "discovery"]),
  route("/tags/:tag", () => import("./routes/tag"), ["posts", "discovery"]),
  route("/posts/:id", () => import("./routes/post"), ["posts", "compose"]),
  route("/posts/:id/likers", () => import("./routes/likers"), ["posts", "people"]),
  account("/posts/:id/edit", () => import("./routes/edit-post"), ["posts", "compose"]),
  account("/new", () => import("./routes/new-post"), ["posts", "compose"]),
  account("/bookmarks", () => import("./routes/bookmarks"), ["posts"]),
  account("/liked", () => import("./routes/liked"), ["posts"]),
  account("/notifications", () => import("./routes/notifications"), ["notifications"]),
  account("/messages/:id?", () => import("./routes/messages"), ["chat"]),
  account("/follow-requests", () => import("./routes/follow-requests"), ["people"]),
  route("/login", () => import("./routes/login"), ["account"]),
  route("/signup", () => import("./routes/sign-up"), ["account"]),
  route("/forgot-password", () => import("./routes/forgot-password"), ["account"]),
  route("/settings", () => import("./routes/settings"), ["settings", "account"]),
  route("/settings/:section", () => import("./routes/settings-section"), ["settings", "account"]),
  account("/admin", () => import("./routes/admin"), ["admin"]),
  route("/:at", () => import("./routes/profile"), ["posts", "people"]),
  route("/:at/followers", () => import("./routes/followers"), ["people"]),
  route("/:at/following", () => import("./routes/following"), ["people"]),
  route("*", () => import("./routes/not-found"), []),
];

/** Starts to load the page at the address of the browser. */
export function preload(): void {
  const path = location.pathname.slice(basePath.length) || "/";
  const found = routes.find((route) => matchPath(route.path, path));
  // If it fails, it is tried again when it is rendered.
  found?.load().catch(() => {});
}
