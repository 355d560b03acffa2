import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ApiKeyCreate, relativeTime, unwrap } from "@trailmind/api";
import { useState } from "react";
import { api } from "~/api/client";
import { optionalQuery } from "~/api/queries";
import { useLanguage, useMessages } from "~/i18n";
import { copyText } from "~/ui/clipboard";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { Section } from "./Section";
import "./ApiKeys.css";

const SCOPES: ApiKeyCreate["scopes"] = ["sessions:read", "sessions:write", "events:write", "usage:read"];

export function ApiKeys() {
  const t = useMessages();
  const language = useLanguage();
  const client = useQueryClient();
  const [name, setName] = useState("");
  const keys = useQuery(optionalQuery(["api-keys"], () => unwrap(api.GET("/v1/auth/api-keys"))));
  const refresh = () => client.invalidateQueries({ queryKey: ["api-keys"] });
  const create = useMutation({
    mutationFn: () => unwrap(api.POST("/v1/auth/api-keys", { body: { name: name.trim(), scopes: SCOPES } })),
    onSuccess: () => {
      setName("");
      return refresh();
    },
    onError: (error) => toast(errorMessage(error, t)),
  });
  const revoke = useMutation({
    mutationFn: (id: string) => unwrap(api.DELETE("/v1/auth/api-keys/{key_id}", { params: { path: { key_id: id } } })),
    onSuccess: () => {
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
          <button type="submit" className="button" disabled={!name.trim() || create.isPending}>
            {t.account.keyCreate}
          </button>
        </form>
      </div>
    </Section>
  );
}
