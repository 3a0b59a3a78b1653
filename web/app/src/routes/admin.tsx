import { lazy, Suspense } from "react";
import { useMe } from "../features/session/session";
import { Spinner } from "../ui/states";
import NotFound from "./not-found";

const AuditLog = lazy(() => import("../features/admin/audit-log"));

/** For administrators; for everyone else it is a page that does not exist, and its code is not loaded. */
export default function Admin() {
  if (useMe()?.role !== "admin") return <NotFound />;
  return (
    <Suspense fallback={<Spinner />}>
      <AuditLog />
    </Suspense>
  );
}
