import { QueryClientProvider, useSuspenseQuery } from "@tanstack/react-query";
import { Suspense } from "react";
import { BrowserRouter, Route, Routes, useLocation } from "react-router";
import { useRealtime } from "./features/realtime/realtime";
import { meQuery } from "./features/session/session";
import { ToLogin } from "./features/session/to-login";
import { useSessionNotice } from "./features/session/use-session-notice";
import { queries } from "./query";
import { routes } from "./routes";
import { Shell } from "./shell";
import { basePath } from "./site";
import { Boundary } from "./ui/boundary";
import { Spinner } from "./ui/states";
import { Toasts } from "./ui/toast";

export function App() {
  return (
    <QueryClientProvider client={queries}>
      <BrowserRouter basename={basePath}>
        <Boundary>
          <Suspense fallback={<Spinner />}>
            <Pages />
          </Suspense>
        </Boundary>
        <Toasts />
      </BrowserRouter>
    </QueryClientProvider>
  );
}

function Pages() {
  const { data: me } = useSuspenseQuery(meQuery);
  const { pathname } = useLocation();
  useRealtime();
  useSessionNotice();
  return (
    <Shell>
      {/* A page that fails does not take the navigation with it, and the next page is shown again. */}
      <Boundary key={me?.id} place={pathname}>
        <Suspense fallback={<Spinner />}>
          <Routes>
            {routes.map(({ path, Page, needsLogin }) => (
              <Route key={path} path={path} element={needsLogin && !me ? <ToLogin /> : <Page />} />
            ))}
          </Routes>
        </Suspense>
      </Boundary>
    </Shell>
  );
}
