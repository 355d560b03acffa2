/**
 * Sign-in with Google by the authorization-code flow with PKCE (RFC 7636). It is a redirect, so that no third-party
 * script runs here. The button is shown only when the server has a client id.
 */

import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { unwrap } from "@trailmind/api";
import { useEffect, useRef, useState } from "react";
import { anonymousApi, api } from "~/api/client";
import { makePkce } from "~/api/pkce";
import { optionalQuery } from "~/api/queries";
import { useMessages } from "~/i18n";
import { completeSignIn } from "./complete-sign-in";

const STATE_KEY = "trailmind.google";
const redirectUri = () => `${location.origin}/auth/google/callback`;
async function redirectToGoogle(next: string | undefined): Promise<void> {
  const { verifier, challenge } = await makePkce();
  const body = { redirect_uri: redirectUri(), code_challenge: challenge };
  const flow = await unwrap(anonymousApi.POST("/v1/auth/google/begin", { body }));
  sessionStorage.setItem(STATE_KEY, JSON.stringify({ state: flow.state, verifier, next }));
  location.assign(flow.authorization_url);
}

export function GoogleButton({ next }: { next: string | undefined }) {
  const t = useMessages();
  const [isFailed, setFailed] = useState(false);
  const config = useQuery({
    ...optionalQuery(["google"], () => unwrap(api.GET("/v1/auth/google/config"))),
    retry: false,
  });
  // Google accepts no plain http address to return to, and a browser has no `crypto.subtle` on one.
  if (!config.data?.enabled || !isSecureContext) return null;
  return (
    <>
      <div className="or">{t.auth.or}</div>
      {isFailed && (
        <p className="notice danger" role="alert">
          {t.auth.googleFailed}
        </p>
      )}
      <button type="button" className="button wide" onClick={() => redirectToGoogle(next).catch(() => setFailed(true))}>
        {t.auth.google}
      </button>
    </>
  );
}

export function GoogleCallback() {
  const t = useMessages();
  const navigate = useNavigate();
  const { code, state } = useSearch({ from: "/auth/auth/google/callback" });
  const [isFailed, setFailed] = useState(false);
  const isRequested = useRef(false);
  useEffect(() => {
    if (isRequested.current) return;
    isRequested.current = true;
    const stored: unknown = JSON.parse(sessionStorage.getItem(STATE_KEY) ?? "null");
    sessionStorage.removeItem(STATE_KEY);
    const flow = stored as { state: string; verifier: string; next?: string } | null;
    if (!code || !flow || flow.state !== state) {
      setFailed(true);
      return;
    }
    const body = { code, redirect_uri: redirectUri(), state, code_verifier: flow.verifier };
    unwrap(anonymousApi.POST("/v1/auth/google/code", { body })).then(
      (reply) => {
        completeSignIn(reply, t);
        void navigate({ href: flow.next ?? "/sessions", replace: true });
      },
      () => setFailed(true),
    );
  }, [code, state, navigate, t]);
  return (
    <div className="auth-form">
      <h1>{t.auth.google}</h1>
      {isFailed ? (
        <p className="notice danger" role="alert">
          {t.auth.googleFailed}
        </p>
      ) : (
        <p role="status">{t.auth.signingIn}</p>
      )}
      <Link to="/login">{t.auth.signIn}</Link>
    </div>
  );
}
