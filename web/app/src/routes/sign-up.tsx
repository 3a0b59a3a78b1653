import { UserRoundX } from "lucide-react";
import { Link, Navigate, useSearchParams } from "react-router";
import { Entrance } from "../features/session/entrance";
import { localPath } from "../features/session/local-path";
import { Providers } from "../features/session/providers";
import { useInstance, useMe } from "../features/session/session";
import { SignUpForm } from "../features/session/sign-up-form";
import { useTexts } from "../i18n";
import { Empty } from "../ui/states";

/** The sign-up, which leads to the page that needed it. */
export default function SignUp() {
  const t = useTexts("account");
  const me = useMe();
  const { registration } = useInstance();
  const [params] = useSearchParams();
  const next = localPath(params.get("next"));
  if (me) return <Navigate to={next} replace />;
  const toLogin = (
    <Link to={{ pathname: "/login", search: params.toString() }} className="link">
      {t("log_in")}
    </Link>
  );
  return (
    <Entrance title={t("sign_up")} foot={t.rich("have_account", { link: toLogin })}>
      {registration === "open" ? (
        <>
          <SignUpForm />
          <Providers next={next} />
        </>
      ) : (
        <Empty icon={UserRoundX} title={t("closed")}>
          {t("closed_more")}
        </Empty>
      )}
    </Entrance>
  );
}
