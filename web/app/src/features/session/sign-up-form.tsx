import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTexts } from "../../i18n";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { Field } from "../../ui/field";
import { Form, useFormErrors } from "./form";
import { NewPassword } from "./new-password";
import { passwordProblem } from "./password";
import { loggedIn, useInstance } from "./session";
import { normalizeUsername, usernameProblem } from "./username";
import { UsernameField } from "./username-field";

/** A new account; it is logged in. */
export function SignUpForm() {
  const t = useTexts("account");
  const { features, limits } = useInstance();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [email, setEmail] = useState("");
  const { mutate, error, isPending } = useMutation({
    mutationFn: () =>
      blegram.auth.signUp({ username: normalizeUsername(username), password, email: email.trim() || null }),
    onSuccess: ({ account }) => loggedIn(account),
  });
  const errors = useFormErrors(error, { "/username": ["username-taken"], "/password": [], "/email": ["email-taken"] });
  const names = [normalizeUsername(username), ...email.split("@")];
  const isReady = !usernameProblem(username, limits) && !passwordProblem(password, limits, names);
  return (
    <Form onSubmit={mutate} error={error} general={errors.general}>
      <UsernameField value={username} onChange={setUsername} error={errors.at("/username")} autoFocus />
      <NewPassword
        label={t("password")}
        value={password}
        onChange={setPassword}
        names={names}
        error={errors.at("/password")}
      />
      {features.mail && (
        <Field
          label={t("email_optional")}
          hint={t("email_why")}
          name="email"
          type="email"
          value={email}
          autoComplete="email"
          onChange={(event) => setEmail(event.target.value)}
          error={errors.at("/email")}
        />
      )}
      <Button type="submit" kind="primary" wide busy={isPending} disabled={!isReady}>
        {t("sign_up")}
      </Button>
    </Form>
  );
}
