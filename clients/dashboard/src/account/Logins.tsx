import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { relativeTime, shortDate, unwrap } from "@trailmind/api";
import { useState } from "react";
import { api } from "~/api/client";
import { endLogin, markSignedOut } from "~/api/login";
import { optionalQuery } from "~/api/queries";
import { useLanguage, useMessages } from "~/i18n";
import { Dialog } from "~/ui/Dialog";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { KeepApiKeys } from "./KeepApiKeys";
import { Section } from "./Section";

const KEY = ["logins"];

/** The devices and programs that are signed in, and signing out of one or of all. */
export function Logins() {
  const t = useMessages();
  const language = useLanguage();
  const client = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const logins = useQuery(optionalQuery(KEY, () => unwrap(api.GET("/v1/auth/logins"))));
  const end = useMutation({
    mutationFn: (id: string) =>
      unwrap(api.DELETE("/v1/auth/logins/{login_id}", { params: { path: { login_id: id } } })),
    onSuccess: () => {
      toast(t.logins.ended);
      return client.invalidateQueries({ queryKey: KEY });
    },
    onError: (error) => toast(errorMessage(error, t)),
  });
  if (!logins.data) return null;
  const now = new Date();
  return (
    <Section title={t.logins.title}>
      <div className="stack">
        <ul className="panel-list">
          {logins.data.logins.map((login) => (
            <li key={login.id}>
              <span className="grow">
                <b>{t.logins.clients[login.client]}</b>{" "}
                {login.is_current && <span className="badge">{t.logins.current}</span>}
                <br />
                <span className="small muted tnum">
                  {t.logins.used(relativeTime(new Date(login.last_used_at), now, language))} ·{" "}
                  {t.logins.since(shortDate(new Date(login.created_at), now, language))}
                </span>
              </span>
              {!login.is_current && (
                <button type="button" className="button" disabled={end.isPending} onClick={() => end.mutate(login.id)}>
                  {t.auth.signOut}
                </button>
              )}
            </li>
          ))}
        </ul>
        <div>
          <button type="button" className="button danger" onClick={() => setAsking(true)}>
            {t.logins.everywhere}
          </button>
        </div>
      </div>
      {isAsking && <SignOutEverywhere onClose={() => setAsking(false)} />}
    </Section>
  );
}

function SignOutEverywhere({ onClose }: { onClose: () => void }) {
  const t = useMessages();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [keepsKeys, setKeepsKeys] = useState(false);
  const end = useMutation({
    mutationFn: () => unwrap(api.POST("/v1/auth/logout-all", { body: { keep_api_keys: keepsKeys } })),
    onSuccess: async () => {
      markSignedOut();
      endLogin(false);
      client.clear();
      await navigate({ to: "/login" });
    },
    onError: (error) => toast(errorMessage(error, t)),
  });
  return (
    <Dialog title={t.logins.everywhere} isOpen onClose={onClose}>
      <div className="stack">
        <p>{t.logins.everywhereHint}</p>
        <KeepApiKeys checked={keepsKeys} onChange={(event) => setKeepsKeys(event.currentTarget.checked)} />
        <div className="dialog-actions">
          <button type="button" className="button" onClick={onClose}>
            {t.common.cancel}
          </button>
          <button type="button" className="button danger" disabled={end.isPending} onClick={() => end.mutate()}>
            {t.logins.everywhere}
          </button>
        </div>
      </div>
    </Dialog>
  );
}
