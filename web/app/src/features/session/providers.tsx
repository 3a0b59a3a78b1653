import { useMemo, useState } from "react";
import { useSearchParams } from "react-router";
import { useTexts } from "../../i18n";
import { Unavailable } from "../../problems";
import { blegram } from "../../site";
import { Button, ButtonLink } from "../../ui/button";
import { toast } from "../../ui/toast";
import { inAppBrowser, systemBrowserAddress } from "./in-app-browser";
import styles from "./login.module.css";
import { useInstance } from "./session";

/** The logins of other services that the site has. They open in this window: browsers inside of apps have no other. */
export function Providers({ next }: { next: string }) {
  const t = useTexts("account");
  const { login_providers: providers } = useInstance();
  const app = inAppBrowser(navigator.userAgent);
  if (providers.length === 0) return null;
  return (
    <>
      <p className={styles.or}>{t("or")}</p>
      <div className={styles.providers}>
        {providers.map(({ id, name }) =>
          app && isGoogle(id, name) ? (
            <OutsideOnly key={id} app={app} name={name} />
          ) : (
            <ButtonLink
              key={id}
              to={providerAddress(id, `/login?next=${encodeURIComponent(next)}`)}
              reloadDocument
              wide
            >
              {t("by_provider", { name })}
            </ButtonLink>
          ),
        )}
      </div>
    </>
  );
}

/** Where a login with a provider starts. It comes back to `path`, if it fails with the parameter `login_error`. */
export function providerAddress(id: string, path: string): string {
  return blegram.auth.startLogin(id, { redirect_to: path });
}

/** The operator of the site chooses the id; by default it is the provider's name. */
const isGoogle = (id: string, name: string) => /google|구글/i.test(`${id} ${name}`);

/** Says how to leave a browser whose logins the provider rejects. */
function OutsideOnly({ app, name }: { app: NonNullable<ReturnType<typeof inAppBrowser>>; name: string }) {
  const t = useTexts("account");
  const address = systemBrowserAddress(app, navigator.userAgent, location.href);
  const [isCopied, setCopied] = useState(false);
  const copy = () =>
    navigator.clipboard.writeText(location.href).then(
      () => setCopied(true),
      () => toast(location.href),
    );
  return (
    <div className={styles.warning}>
      <p>{t("outside_only", { name, app })}</p>
      {address ? (
        <a href={address} className="link">
          {t("open_outside")}
        </a>
      ) : (
        <Button kind="quiet" onClick={() => void copy()}>
          {isCopied ? t("copied") : t("copy_address")}
        </Button>
      )}
    </div>
  );
}

/** What a provider's login came back with: the parameter `login_error` is the code of a problem. */
export function useProviderError(): Unavailable | undefined {
  const [params] = useSearchParams();
  const code = params.get("login_error");
  return useMemo(() => (code ? new Unavailable(code) : undefined), [code]);
}
