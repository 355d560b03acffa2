import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ApiKeyCreate, relativeTime, shortDate, unwrap } from "@trailmind/api";
import { useState } from "react";
import { api } from "~/api/client";
import { optionalQuery, planQuery } from "~/api/queries";
import { useLanguage, useMessages } from "~/i18n";
import { copyText } from "~/ui/clipboard";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { Section } from "./Section";
import "./ApiKeys.css";

type Scopes = ApiKeyCreate["scopes"];
const SCOPES: Scopes = ["sessions:read", "sessions:write", "events:write", "usage:read"];

export function ApiKeys() {
  const t = useMessages();
  const language = useLanguage();
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<Scopes>(["sessions:read"]);
  const [days, setDays] = useState(90);
  const keys = useQuery(optionalQuery(["api-keys"], () => unwrap(api.GET("/v1/auth/api-keys"))));
  const plan = useQuery(planQuery()).data?.subscription.plan;
  // A server without plans has keys for all users.
  const includesKeys = plan === undefined || plan.features.api_access === true;
  const refresh = () => client.invalidateQueries({ queryKey: ["api-keys"] });
  const create = useMutation({
    mutationFn: () =>
      unwrap(
        api.POST("/v1/auth/api-keys", {
          body: { name: name.trim(), scopes, ...(days ? { expires_in_days: days } : {}) },
        }),
      ),
    onSuccess: () => {
      setName("");
      return refresh();
    },
    onError: (error) => toast(errorMessage(error, t)),
  });
  const revoke = useMutation({
    mutationFn: (id: string) => unwrap(api.DELETE("/v1/auth/api-keys/{key_id}", { params: { path: { key_id: id } } })),
    onSuccess: (_, id) => {
      if (create.data?.api_key.id === id) create.reset();
      toast(t.account.keyRevoked);
      return refresh();
    },
    onError: (error) => toast(errorMessage(error, t)),
  });
  if (!keys.data) return null;
  return (
    <Section title={t.account.keys}>
      <div className="stack">
        {keys.data.api_keys.length === 0 ? (
          <p className="muted">{t.account.keyNone}</p>
        ) : (
          <ul className="panel-list">
            {keys.data.api_keys.map((key) => (
              <li key={key.id}>
                <span className="grow">
                  <b>{key.name}</b>{" "}
                  <span className="small muted tnum">
                    …{key.hint} ·{" "}
                    {key.last_used_at
                      ? t.account.keyUsed(relativeTime(new Date(key.last_used_at), new Date(), language))
                      : t.account.keyNever}
                    <br />
                    {key.scopes.map((scope) => t.account.keyScopes[scope]).join(", ")} ·{" "}
                    {key.expires_at
                      ? t.account.keyExpires(shortDate(new Date(key.expires_at), new Date(), language))
                      : t.account.keyForever}
                  </span>
                </span>
                <button type="button" className="button danger" onClick={() => revoke.mutate(key.id)}>
                  {t.account.keyRevoke}
                </button>
              </li>
            ))}
          </ul>
        )}
        {create.data && (
          <div className="notice ok" role="status">
            <span className="grow">
              {t.account.keyOnce}
              <br />
              <code>{create.data.key}</code>
            </span>
            <button
              type="button"
              className="button"
              onClick={() =>
                void copyText(create.data.key).then((ok) => toast(ok ? t.common.copied : t.common.copyFailed))
              }
            >
              {t.common.copy}
            </button>
          </div>
        )}
        {plan && !includesKeys && <p className="notice">{t.account.keyNotInPlan(plan.name)}</p>}
        {includesKeys && (
          <form
            className="row wrap"
            onSubmit={(e) => {
              e.preventDefault();
              if (name.trim()) create.mutate();
            }}
          >
            <input
              className="input compact key-name"
              aria-label={t.account.keyName}
              placeholder={t.account.keyName}
              maxLength={100}
              value={name}
              onChange={(e) => setName(e.target.value)}
            />
            <select
              className="input compact key-expiry"
              aria-label={t.account.keyExpiry}
              value={days}
              onChange={(e) => setDays(Number(e.target.value))}
            >
              {[30, 90, 365].map((each) => (
                <option key={each} value={each}>
                  {t.account.keyDays(each)}
                </option>
              ))}
              <option value={0}>{t.account.keyForever}</option>
            </select>
            <fieldset className="row wrap key-scopes">
              <legend className="sr">{t.account.keyScope}</legend>
              {SCOPES.map((scope) => (
                <label key={scope} className="small">
                  <input
                    type="checkbox"
                    checked={scopes.includes(scope)}
                    onChange={(e) =>
                      setScopes(e.currentTarget.checked ? [...scopes, scope] : scopes.filter((each) => each !== scope))
                    }
                  />{" "}
                  {t.account.keyScopes[scope]}
                </label>
              ))}
            </fieldset>
            <button type="submit" className="button" disabled={!name.trim() || scopes.length === 0 || create.isPending}>
              {t.account.keyCreate}
            </button>
          </form>
        )}
      </div>
    </Section>
  );
}
