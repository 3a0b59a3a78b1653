import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTexts } from "../../i18n";
import { ME, queries } from "../../query";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { toast } from "../../ui/toast";
import { Form, useFormErrors } from "../session/form";
import { withIdentity } from "../session/identity";
import { NewPassword } from "../session/new-password";
import { passwordProblem } from "../session/password";
import { AccountName, PasswordField } from "../session/password-field";
import { useInstance, useMe } from "../session/session";
import { Lead } from "./parts";

/** Another password, or the first one of an account that logs in with a provider. */
export default function Password() {
  const t = useTexts("settings");
  const me = useMe();
  const { limits } = useInstance();
  const [current, setCurrent] = useState("");
  const [password, setPassword] = useState("");
  const { mutate, error, isPending } = useMutation({
    mutationFn: () =>
      withIdentity(() => blegram.auth.changePassword({ current_password: current || null, new_password: password })),
    onSuccess: async () => {
      setCurrent("");
      setPassword("");
      toast(t("password_changed"));
      await Promise.all([
        queries.invalidateQueries({ queryKey: ME }),
        queries.invalidateQueries({ queryKey: ["sessions"] }),
      ]);
    },
  });
  const errors = useFormErrors(error, { "/current_password": ["wrong-password"], "/new_password": [] });
  if (!me) return null;
  const names = [me.username, me.display_name, ...(me.email?.split("@") ?? [])];
  return (
    <Form onSubmit={mutate} error={error} general={errors.general}>
      <Lead>{me.has_password ? t("password_lead") : t("password_first")}</Lead>
      <AccountName />
      {me.has_password && (
        <PasswordField
          label={t("current_password")}
          value={current}
          onChange={setCurrent}
          autoComplete="current-password"
          error={errors.at("/current_password")}
        />
      )}
      <NewPassword
        label={t("new_password")}
        value={password}
        onChange={setPassword}
        names={names}
        error={errors.at("/new_password")}
      />
      <Button
        type="submit"
        kind="primary"
        busy={isPending}
        disabled={(me.has_password && !current) || Boolean(passwordProblem(password, limits, names))}
      >
        {t("change_password")}
      </Button>
    </Form>
  );
}
