import { useQuery } from "@tanstack/react-query";
import { serverQuery } from "./queries";

/**
 * Whether mails reach the user. False until the server has said so; an older server does not say it. Without a mail
 * server, mails are written to a folder of the operator.
 */
export function useSendsMail(): boolean {
  const server = useQuery(serverQuery());
  return !server.isPending && server.data?.sends_mail !== false;
}
