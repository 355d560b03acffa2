import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { unwrap } from "@trailmind/api";
import { useState } from "react";
import { api } from "~/api/client";
import { endLogin } from "~/api/login";
import { useMessages } from "~/i18n";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { KeepApiKeys } from "./KeepApiKeys";

/** Ends every login of the account and, unless the user keeps them, its API keys. */
export function SignOutEverywhere() {
  const t = useMessages();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [keepsKeys, setKeepsKeys] = useState(false);
  const signOut = useMutation({
    mutationFn: () => unwrap(api.POST("/v1/auth/logout-all", { body: { keep_api_keys: keepsKeys } })),
    onSuccess: async () => {
      endLogin(false);
      client.clear();
      await navigate({ to: "/login" });
    },
    onError: (error) => toast(errorMessage(error, t)),
  });
  return (
    <>
      <div className="row wrap">
        <p className="grow muted">{t.account.signOutAllHint}</p>
        <button type="button" className="button" disabled={signOut.isPending} onClick={() => signOut.mutate()}>
          {t.account.signOutAll}
        </button>
      </div>
      <KeepApiKeys checked={keepsKeys} onChange={(e) => setKeepsKeys(e.target.checked)} />
    </>
  );
}
