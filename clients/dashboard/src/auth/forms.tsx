import { valibotResolver } from "@hookform/resolvers/valibot";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { toApiError, unwrap } from "@trailmind/api";
import { useState } from "react";
import { useForm } from "react-hook-form";
import * as v from "valibot";
import { anonymousApi } from "~/api/client";
import { currentLogin } from "~/api/login";
import { serverQuery } from "~/api/queries";
import { type Messages, useMessages } from "~/i18n";
import { errorMessage } from "~/ui/error-message";
import { completeSignIn, completeSignUp } from "./complete-sign-in";
import { emailInput, FormFields, newPasswordInput } from "./FormFields";
import { GoogleButton } from "./google";

const EMAIL = /^[^@\s]+@[^@\s]+\.[^@\s.]+$/;
export const emailField = (t: Messages) =>
  v.pipe(v.string(), v.trim(), v.regex(EMAIL, t.auth.emailBad), v.maxLength(254, t.auth.emailBad));

export function LoginForm() {
  const t = useMessages();
  const { next } = useSearch({ from: "/auth/login" });
  const navigate = useNavigate();
  const login = currentLogin();
  const [wasExpired] = useState(login.state === "out" && login.expired);
  const form = useForm({
    defaultValues: { email: "", password: "" },
    resolver: valibotResolver(
      v.object({ email: emailField(t), password: v.pipe(v.string(), v.minLength(1, t.auth.passwordMissing)) }),
    ),
  });
  const submit = form.handleSubmit(async (values) => {
    try {
      completeSignIn(await unwrap(anonymousApi.POST("/v1/auth/login", { body: values })), t);
      await navigate({ href: next ?? "/sessions", replace: true });
    } catch (error) {
      const problem = toApiError(error);
      const isLocked = problem.code === "LOGIN_LOCKED";
      const isWrong = problem.status === 401 && problem.code !== "ACCOUNT_CLOSED";
      const sentence = isLocked ? t.auth.locked : isWrong ? t.auth.wrong : errorMessage(error, t);
      form.setError("root", { message: sentence });
      form.setFocus("password");
    }
  });
  return (
    <form className="auth-form" onSubmit={submit} noValidate>
      <h1>{t.auth.signIn}</h1>
      {wasExpired && <p className="notice">{t.auth.expired}</p>}
      <FormFields
        form={form}
        fields={[
          emailInput(t),
          { name: "password", label: t.auth.password, type: "password", autoComplete: "current-password" },
        ]}
        submit={t.auth.signIn}
        submitting={t.auth.signingIn}
      />
      <GoogleButton next={next} />
      <p className="row wrap">
        <span className="muted">{t.auth.noAccount}</span>
        <Link to="/signup" search={{ next }}>
          {t.auth.signUp}
        </Link>
        <Link to="/forgot-password" className="forgot">
          {t.auth.forgot}
        </Link>
      </p>
    </form>
  );
}

export function SignupForm() {
  const t = useMessages();
  const { next } = useSearch({ from: "/auth/signup" });
  const navigate = useNavigate();
  const [isMailSent, setMailSent] = useState(false);
  // A server that sends mail lets the owner of the address choose the password with the link of the mail.
  const isByMail = useQuery(serverQuery()).data?.sends_mail === true;
  const password = isByMail ? v.string() : v.pipe(v.string(), v.minLength(8, t.auth.passwordShort));
  const form = useForm({
    defaultValues: { email: "", password: "" },
    resolver: valibotResolver(v.object({ email: emailField(t), password })),
  });
  const submit = form.handleSubmit(async (values) => {
    try {
      const body = values.password ? values : { email: values.email };
      const reply = await unwrap(anonymousApi.POST("/v1/auth/signup", { body }));
      if (!("token" in reply)) return setMailSent(true);
      completeSignUp(reply, t);
      await navigate({ href: next ?? "/sessions", replace: true });
    } catch (error) {
      const problem = toApiError(error);
      if (problem.status === 409) form.setError("email", { message: t.auth.taken }, { shouldFocus: true });
      else form.setError("root", { message: errorMessage(error, t) });
    }
  });
  return (
    <form className="auth-form" onSubmit={submit} noValidate>
      <h1>{t.auth.signUp}</h1>
      {isMailSent ? (
        <p className="notice ok" role="status">
          {t.mail.sends.signUpMailSent}
        </p>
      ) : (
        <FormFields
          form={form}
          fields={[
            emailInput(t),
            ...(isByMail ? [] : [newPasswordInput("password", t.auth.password, t.auth.passwordHint)]),
          ]}
          submit={t.auth.signUp}
          submitting={t.auth.signingUp}
        >
          {isByMail && <p className="muted">{t.mail.sends.passwordByMail}</p>}
        </FormFields>
      )}
      <GoogleButton next={next} />
      <p className="row wrap">
        <span className="muted">{t.auth.haveAccount}</span>
        <Link to="/login" search={{ next }}>
          {t.auth.signIn}
        </Link>
      </p>
    </form>
  );
}
