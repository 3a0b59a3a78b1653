import type { LoginChallenge } from "@blegram/client";
import { useState } from "react";
import { Link, Navigate, useSearchParams } from "react-router";
import { Entrance } from "../features/session/entrance";
import { localPath } from "../features/session/local-path";
import { LoginForm } from "../features/session/login-form";
import { Providers, useProviderError } from "../features/session/providers";
import { SecondStep } from "../features/session/second-step";
import { useInstance, useMe } from "../features/session/session";
import { useTexts } from "../i18n";

/** The login, which leads back to the page that needed it. */
export default function Login() {
  const t = useTexts("account");
  const me = useMe();
  const { registration } = useInstance();
  const [params] = useSearchParams();
  const next = localPath(params.get("next"));
  const providerError = useProviderError();
  const [challenge, setChallenge] = useState<LoginChallenge>();
  const [expired, setExpired] = useState<unknown>();
  // Also how the login ends: it changes who is logged in.
  if (me) return <Navigate to={next} replace />;
  if (challenge) {
    const restart = (error?: unknown) => {
      setExpired(error);
      setChallenge(undefined);
    };
    return (
      <Entrance title={t("second_step")}>
        <SecondStep challenge={challenge} onRestart={restart} />
      </Entrance>
    );
  }
  return (
    <Entrance
      title={t("log_in")}
      foot={
        registration !== "closed" &&
        t.rich("no_account", {
          link: (
            <Link to={{ pathname: "/signup", search: params.toString() }} className="link">
              {t("sign_up")}
            </Link>
          ),
        })
      }
    >
      <LoginForm error={expired ?? providerError} onChallenge={setChallenge} />
      <Providers next={next} />
    </Entrance>
  );
}
