import { useQuery } from "@tanstack/react-query";
import { serverQuery } from "~/api/queries";
import { type Messages, useMessages } from "~/i18n";

type MailWords = Pick<Messages["mail"]["sends"], keyof Messages["mail"]["writes"]>;

/** The sentences about mails that are true on this server. An older server does not say whether it sends mail. */
export function useMailWords(): MailWords {
  const { mail } = useMessages();
  return useQuery(serverQuery()).data?.sends_mail === false ? mail.writes : mail.sends;
}
