import { useMutation, useQueryClient } from "@tanstack/react-query";
import { unwrap } from "@trailmind/api";
import { api } from "~/api/client";
import { storeReply } from "~/api/refresh";
import { useMessages } from "~/i18n";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";

/** A mutation that decides whether the text of one session may be sent to AI models. The server enforces it. */
export function useLocalOnly(id: string) {
  const t = useMessages();
  const client = useQueryClient();
  return useMutation({
    mutationFn: (isLocal: boolean) =>
      unwrap(
        api.PATCH("/v1/sessions/{session_id}", { params: { path: { session_id: id } }, body: { local_only: isLocal } }),
      ),
    onSuccess: (reply) => {
      storeReply(client, ["session", id], reply.session);
      void client.invalidateQueries({ queryKey: ["quote", id] });
      toast(reply.session.local_only ? t.consent.isLocalNow : t.consent.isAllowedNow);
    },
    onError: (error) => toast(errorMessage(error, t)),
  });
}
