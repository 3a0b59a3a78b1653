import type { Account } from "@blegram/client";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTexts } from "../../i18n";
import { ME, queries } from "../../query";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { Field, Switch } from "../../ui/field";
import { toast } from "../../ui/toast";
import { Form, useFormErrors } from "../session/form";
import { withIdentity } from "../session/identity";
import { AccountName, PasswordField } from "../session/password-field";
import { useInstance, useMe } from "../session/session";
import { Lead, Part, Row } from "./parts";
import { useUpdateSettings } from "./use-update-me";

/** The address of the account, and the mails that it gets. */
export default function Email() {
  const t = useTexts("settings");
  const me = useMe();
  const { features } = useInstance();
  const { mutate: update } = useUpdateSettings();
  if (!me) return null;
  return (
    <>
      <Part>
        {me.email ? (
          <ul>
            <Row
              title={me.email}
              badge={me.email_verified && t("email_verified")}
              notes={[me.email_verified ? t("email_verified_more") : t("email_unverified_more")]}
            />
          </ul>
        ) : (
          <Lead>{t("email_none")}</Lead>
        )}
      </Part>
      {features.mail ? (
        <Part title={me.email ? t("email_change") : t("email_add")}>
          <ChangeEmail me={me} />
        </Part>
      ) : (
        <Lead>{t("no_mail")}</Lead>
      )}
      <Part title={t("notices")}>
        <Switch
          label={t("login_notices")}
          hint={t("login_notices_hint")}
          checked={me.login_notices}
          onChange={(login_notices) => update({ login_notices })}
        />
        <Lead>{t("notices_always")}</Lead>
      </Part>
    </>
  );
}

/** Sends the mail that verifies an address; also once more, for the same address. */
function ChangeEmail({ me }: { me: Account }) {
  const t = useTexts("settings");
  const [email, setEmail] = useState(me.email_verified ? "" : (me.email ?? ""));
  const [password, setPassword] = useState("");
  const { mutate, error, isPending } = useMutation({
    mutationFn: (address: string) =>
      withIdentity(() => blegram.auth.changeEmail({ email: address, password: password || null })),
    onSuccess: async (_, address) => {
      setPassword("");
      toast(t("email_sent", { email: address }));
      await queries.invalidateQueries({ queryKey: ME });
    },
  });
  const errors = useFormErrors(error, { "/email": ["email-taken"], "/password": ["wrong-password"] });
  return (
    <Form onSubmit={() => mutate(email.trim())} error={error} general={errors.general}>
      <Field
        label={t("email")}
        hint={t("email_change_hint")}
        name="email"
        type="email"
        value={email}
        required
        autoComplete="email"
        onChange={(event) => setEmail(event.target.value)}
        error={errors.at("/email")}
      />
      <AccountName />
      {me.has_password && (
        <PasswordField
          label={t("your_password")}
          value={password}
          onChange={setPassword}
          autoComplete="current-password"
          error={errors.at("/password")}
        />
      )}
      <Button type="submit" kind="primary" busy={isPending} disabled={!email.trim() || (me.has_password && !password)}>
        {t("send_verification")}
      </Button>
    </Form>
  );
}
