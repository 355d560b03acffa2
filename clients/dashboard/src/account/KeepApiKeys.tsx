import { useQuery } from "@tanstack/react-query";
import { unwrap } from "@trailmind/api";
import type { ComponentProps } from "react";
import { api } from "~/api/client";
import { optionalQuery } from "~/api/queries";
import { useMessages } from "~/i18n";

/** Asks whether the API keys stay valid; nothing for an account without keys. */
export function KeepApiKeys(input: Omit<ComponentProps<"input">, "type">) {
  const t = useMessages();
  const keys = useQuery(optionalQuery(["api-keys"], () => unwrap(api.GET("/v1/auth/api-keys"))));
  if (!keys.data?.api_keys.length) return null;
  return (
    <label>
      <input type="checkbox" {...input} /> {t.account.keepKeys}
      <br />
      <span className="small muted">{t.account.keepKeysHint}</span>
    </label>
  );
}
