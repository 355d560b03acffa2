import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { relativeTime, shortDate, unwrap } from "@trailmind/api";
import { api } from "~/api/client";
import { optionalQuery } from "~/api/queries";
import { useLanguage, useMessages } from "~/i18n";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { Section } from "./Section";
import { SignOutEverywhere } from "./SignOutEverywhere";

const KEY = ["logins"];

/** The devices and programs that are signed in, and signing out of one of them or of all. */
export function Logins() {
  const t = useMessages();
  const language = useLanguage();
  const client = useQueryClient();
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
  const now = new Date();
  const list = logins.data?.logins ?? [];
  return (
    <Section title={t.logins.title}>
      <div className="stack">
        {list.length > 0 && (
          <ul className="panel-list">
            {list.map((login) => (
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
                  <button
                    type="button"
                    className="button"
                    disabled={end.isPending}
                    onClick={() => end.mutate(login.id)}
                  >
                    {t.auth.signOut}
                  </button>
                )}
              </li>
            ))}
          </ul>
        )}
        <SignOutEverywhere />
      </div>
    </Section>
  );
}
