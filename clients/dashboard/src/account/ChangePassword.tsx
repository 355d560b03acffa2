import { valibotResolver } from "@hookform/resolvers/valibot";
import { useQueryClient } from "@tanstack/react-query";
import { toApiError, unwrap } from "@trailmind/api";
import { useForm } from "react-hook-form";
import * as v from "valibot";
import { api } from "~/api/client";
import { acceptLogin } from "~/api/login";
import { useMessages } from "~/i18n";
import { errorMessage } from "~/ui/error-message";
import { Field } from "~/ui/Field";
import { toast } from "~/ui/toast";
import { FormError } from "../ui/FormError";
import { KeepApiKeys } from "./KeepApiKeys";
import { Section } from "./Section";
import "./ChangePassword.css";

export function ChangePassword({ hasPassword }: { hasPassword: boolean }) {
  const t = useMessages();
  const client = useQueryClient();
  const form = useForm({
    defaultValues: { current_password: "", new_password: "", keep_api_keys: false },
    resolver: valibotResolver(
      v.object({
        current_password: hasPassword ? v.pipe(v.string(), v.minLength(1, t.auth.passwordMissing)) : v.string(),
        new_password: v.pipe(v.string(), v.minLength(8, t.auth.passwordShort)),
        keep_api_keys: v.boolean(),
      }),
    ),
  });
  const { errors, isSubmitting } = form.formState;
  const submit = form.handleSubmit(async (values) => {
    try {
      acceptLogin(await unwrap(api.POST("/v1/auth/password", { body: bodyOf(values, hasPassword) })));
      form.reset();
      await client.invalidateQueries({ queryKey: ["api-keys"] });
      toast(t.account.passwordChanged);
    } catch (error) {
      const problem = toApiError(error);
      if (problem.code === "LOGIN_TOO_OLD") form.setError("root", { message: t.account.loginTooOld });
      else if (problem.status === 400 || problem.status === 401 || problem.status === 403)
        form.setError("current_password", { message: t.account.wrongPassword }, { shouldFocus: true });
      else form.setError("root", { message: errorMessage(error, t) });
    }
  });
  return (
    <Section title={hasPassword ? t.account.password : t.account.setPassword}>
      <form className="stack narrow" onSubmit={submit} noValidate>
        <FormError message={errors.root?.message} />
        {hasPassword ? (
          <Field
            label={t.account.oldPassword}
            type="password"
            autoComplete="current-password"
            error={errors.current_password?.message}
            {...form.register("current_password")}
          />
        ) : (
          <p className="muted">{t.account.noPassword}</p>
        )}
        <Field
          label={t.auth.newPassword}
          type="password"
          autoComplete="new-password"
          hint={t.auth.passwordHint}
          error={errors.new_password?.message}
          {...form.register("new_password")}
        />
        <KeepApiKeys {...form.register("keep_api_keys")} />
        <div>
          <button type="submit" className="button" disabled={isSubmitting}>
            {hasPassword ? t.account.password : t.account.setPassword}
          </button>
        </div>
      </form>
    </Section>
  );
}

/** An account without a password has no current one to send; the server asks for a recent login instead. */
function bodyOf<T extends { current_password: string }>(values: T, hasPassword: boolean) {
  const { current_password: current, ...rest } = values;
  return hasPassword ? { ...rest, current_password: current } : rest;
}
