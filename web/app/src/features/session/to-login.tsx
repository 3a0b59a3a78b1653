import { Navigate, useLocation } from "react-router";
import { hasEndedHere } from "./session";

/** Leads visitors from a page for accounts to the login, and back after it; those who have just logged out, home. */
export function ToLogin() {
  const { pathname, search } = useLocation();
  return <Navigate to={hasEndedHere() ? "/" : `/login?next=${encodeURIComponent(pathname + search)}`} replace />;
}
