import { valibotResolver } from "@hookform/resolvers/valibot";
import { useQuery } from "@tanstack/react-query";
import { Link, useLocation } from "@tanstack/react-router";
import { toApiError, unwrap } from "@trailmind/api";
import { useEffect, useRef, useState } from "react";
import { useForm } from "react-hook-form";
import * as v from "valibot";
import { anonymousApi, api } from "~/api/client";
import { currentLogin, restoreLogin, updateAccount } from "~/api/login";
import { serverQuery } from "~/api/queries";
import { useMessages } from "~/i18n";
import { useMailWords } from "~/i18n/useMailWords";
import { errorMessage } from "~/ui/error-message";
import { FormError } from "../ui/FormError";
import { emailInput, FormFields, newPasswordInput } from "./FormFields";
import { emailField } from "./forms";

const VERIFY_KEY = "trailmind.verify";

export function ForgotForm() {
  const t = useMessages();
  const [isSent, setSent] = useState(false);
  const words = useMailWords();
  const hasMail = useQuery(serverQuery()).data?.sends_mail !== false;
  const form = useForm({ defaultValues: { email: "" }, resolver: valibotResolver(v.object({ email: emailField(t) })) });
  const submit = form.handleSubmit(async (values) => {
    try {
      await unwrap(anonymousApi.POST("/v1/auth/forgot-password", { body: values }));
      setSent(true);
    } catch (error) {
      form.setError("root", { message: errorMessage(error, t) });
    }
  });
  return (
    <form className="auth-form" onSubmit={submit} noValidate>
      <h1>{t.auth.forgotTitle}</h1>
      {isSent ? (
        <p className={`notice ${hasMail ? "ok" : "amber"}`} role="status">
          {words.linkSent}
        </p>
      ) : (
        <>
          <p className="muted">{words.forgotBody}</p>
          <FormFields form={form} fields={[emailInput(t)]} submit={words.sendLink} submitting={t.auth.sending} />
        </>
      )}
      <Link to="/login">{t.auth.signIn}</Link>
    </form>
  );
}

/** The token of a link in an e-mail. It is in the fragment, which browsers do not send, so that no server logs it. */
function useToken(): string | null {
  const hash = useLocation({ select: (at) => at.hash });
  return new URLSearchParams(hash).get("token");
}

export function ResetForm() {
  const t = useMessages();
  const token = useToken();
  const [isDone, setDone] = useState(false);
  const form = useForm({
    defaultValues: { password: "", repeat: "" },
    resolver: valibotResolver(
      v.pipe(
        v.object({ password: v.pipe(v.string(), v.minLength(8, t.auth.passwordShort)), repeat: v.string() }),
        v.forward(
          v.partialCheck([["password"], ["repeat"]], (input) => input.password === input.repeat, t.auth.mismatch),
          ["repeat"],
        ),
      ),
    ),
  });
  const submit = form.handleSubmit(async ({ password }) => {
    try {
      await unwrap(
        anonymousApi.POST("/v1/auth/reset-password", { body: { token: token ?? "", new_password: password } }),
      );
      setDone(true);
    } catch (error) {
      const problem = toApiError(error);
      form.setError("root", {
        message: problem.status === 400 || problem.status === 401 ? t.auth.resetMissing : errorMessage(error, t),
      });
    }
  });
  return (
    <form className="auth-form" onSubmit={submit} noValidate>
      <h1>{t.auth.resetTitle}</h1>
      {!token ? (
        <p className="notice danger" role="alert">
          {t.auth.resetMissing}
        </p>
      ) : isDone ? (
        <p className="notice ok" role="status">
          {t.auth.resetDone}
        </p>
      ) : (
        <FormFields
          form={form}
          fields={[
            newPasswordInput("password", t.auth.newPassword, t.auth.passwordHint),
            newPasswordInput("repeat", t.auth.repeat),
          ]}
          submit={t.common.save}
          submitting={t.auth.saving}
        />
      )}
      <p className="row wrap">
        <Link to="/login">{t.auth.signIn}</Link>
        <Link to="/forgot-password">{t.auth.forgot}</Link>
      </p>
    </form>
  );
}

/**
 * Keeps the token while the user signs in: the address of the sign-in page names the next page in its query, which
 * servers log.
 */
function useVerifyToken(): string | null {
  const token = useToken();
  const [kept] = useState(() => sessionStorage.getItem(VERIFY_KEY));
  useEffect(() => {
    if (token) sessionStorage.setItem(VERIFY_KEY, token);
  }, [token]);
  return token ?? kept;
}

type Verification = "asking" | "signed-out" | "done" | "password" | "other-account" | "failed";

/**
 * Confirms the address with the login of this browser. Without one it asks first: the account may have been made by
 * another person, so the server then ends its password and logins, and mails a link for a new password.
 */
export function VerifyEmail() {
  const t = useMessages();
  const words = useMailWords();
  const token = useVerifyToken();
  const [state, setState] = useState<Verification>(token ? "asking" : "failed");
  const [problem, setProblem] = useState<unknown>(null);
  const isRequested = useRef(false);
  const finish = (next: Verification) => {
    sessionStorage.removeItem(VERIFY_KEY);
    setState(next);
  };
  const refuse = (error: unknown) => {
    const { code, status } = toApiError(error);
    if (code === "OTHER_ACCOUNT") setState("other-account");
    else if (status === 400) finish("failed");
    else setProblem(error);
  };
  useEffect(() => {
    // A link is valid once; React's development mode runs effects twice.
    if (!token || isRequested.current) return;
    isRequested.current = true;
    const confirm = async () => {
      await restoreLogin();
      if (currentLogin().state !== "in") return setState("signed-out");
      await unwrap(api.POST("/v1/auth/verify-email", { body: { token } }));
      updateAccount({ isVerified: true });
      finish("done");
    };
    confirm().catch(refuse);
  });
  const askForPassword = () =>
    unwrap(anonymousApi.POST("/v1/auth/verify-email", { body: { token: token ?? "" } })).then(
      () => finish("password"),
      refuse,
    );
  return (
    <div className="auth-form">
      <h1>{t.auth.verifyTitle}</h1>
      <FormError message={problem === null ? undefined : errorMessage(problem, t)} />
      {state === "asking" && problem === null && <p role="status">{t.common.loading}…</p>}
      {state === "signed-out" && (
        <>
          <p>{t.auth.verifySignedOut}</p>
          <Link className="button primary wide" to="/login" search={{ next: "/verify-email" }}>
            {t.auth.verifySignIn}
          </Link>
          <p className="muted">{words.verifyNotMe}</p>
          <button type="button" className="button wide" onClick={() => void askForPassword()}>
            {words.verifyNewPassword}
          </button>
        </>
      )}
      {(state === "done" || state === "password") && (
        <p className="notice ok" role="status">
          {state === "done" ? t.auth.verifyDone : words.verifyPasswordSent}
        </p>
      )}
      {(state === "failed" || state === "other-account") && (
        <p className="notice danger" role="alert">
          {state === "failed" ? t.auth.verifyFailed : t.auth.verifyOther}
        </p>
      )}
      {state !== "signed-out" && <Link to="/sessions">{t.goHome}</Link>}
    </div>
  );
}
