import { useMutation, useQueryClient } from "@tanstack/react-query";
import { unwrap } from "@trailmind/api";
import { api } from "~/api/client";
import type { Mindmap } from "~/api/queries";
import { storeReply } from "~/api/refresh";
import { useMessages } from "~/i18n";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { whileGenerating } from "./kept-map";

/** A mutation that starts the generation of a session's map; its argument forces a new map where one exists. */
export function useGenerate(id: string) {
  const t = useMessages();
  const client = useQueryClient();
  return useMutation({
    mutationFn: (force: boolean) =>
      unwrap(
        api.POST("/v1/sessions/{session_id}/mindmap/generate", {
          params: { path: { session_id: id } },
          body: { force },
        }),
      ),
    onSuccess: (reply) =>
      storeReply<Mindmap | null>(client, ["mindmap", id], (shown) => whileGenerating(shown, reply.mindmap)),
    onError: (error) => toast(errorMessage(error, t)),
  });
}
