import type { Provider } from "@blegram/client";
import { useMutation, useSuspenseQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { useLocation, useSearchParams } from "react-router";
import { timeAgo, useTexts } from "../../i18n";
import { queries } from "../../query";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { toast, toastError } from "../../ui/toast";
import { identitiesQuery } from "../session/credentials";
import { withIdentity } from "../session/identity";
import { useProviderError } from "../session/providers";
import { useInstance } from "../session/session";
import { Lead, Row } from "./parts";

/** The accounts elsewhere that log in to this one. */
export default function Logins() {
  const t = useTexts("settings");
  const { login_providers: providers } = useInstance();
  const { data: identities } = useSuspenseQuery(identitiesQuery);
  useFailedLink();
  return (
    <>
      <Lead>{t("logins_lead")}</Lead>
      <ul>
        {providers.map((provider) => {
          const identity = identities.items.find((identity) => identity.provider === provider.id);
          return (
            <Row
              key={provider.id}
              title={provider.name}
              notes={[
                identity?.display_name,
                identity ? t("linked", { time: timeAgo(identity.linked_at) }) : t("not_linked"),
              ]}
              action={identity ? <Unlink provider={provider} /> : <Link provider={provider} />}
            />
          );
        })}
      </ul>
    </>
  );
}

function Link({ provider }: { provider: Provider }) {
  const t = useTexts("settings");
  const { pathname } = useLocation();
  const { mutate, isPending, isSuccess } = useMutation({
    mutationFn: () => withIdentity(() => blegram.auth.linkIdentity(provider.id, { redirect_to: pathname })),
    // The browser leaves for the provider, and comes back here.
    onSuccess: ({ authorize_url }) => location.assign(authorize_url),
    onError: toastError,
  });
  return (
    <Button
      small
      busy={isPending || isSuccess}
      aria-label={t("link_provider", { name: provider.name })}
      onClick={() => mutate()}
    >
      {t("link")}
    </Button>
  );
}

function Unlink({ provider }: { provider: Provider }) {
  const t = useTexts("settings");
  const { mutate, isPending } = useMutation({
    mutationFn: () => withIdentity(() => blegram.auth.unlinkIdentity(provider.id)),
    onSuccess: () => toast(t("unlinked", { name: provider.name })),
    onError: toastError,
    onSettled: () => queries.invalidateQueries({ queryKey: identitiesQuery.queryKey }),
  });
  return (
    <Button
      small
      kind="danger"
      busy={isPending}
      aria-label={t("unlink_provider", { name: provider.name })}
      onClick={() => mutate()}
    >
      {t("unlink")}
    </Button>
  );
}

/** Says why the provider came back without a link, once. */
function useFailedLink(): void {
  const error = useProviderError();
  const [, setParams] = useSearchParams();
  useEffect(() => {
    if (!error) return;
    toastError(error);
    setParams({}, { replace: true });
  }, [error, setParams]);
}
