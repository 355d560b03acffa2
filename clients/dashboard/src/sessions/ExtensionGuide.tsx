import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useEffect } from "react";
import { signInInstalledExtension } from "~/api/extension";
import { serverQuery } from "~/api/queries";
import { useMessages } from "~/i18n";
import { toast } from "~/ui/toast";
import { extensionsPage } from "./browser";

const SIGN_IN_EVERY_MS = 3_000;

/** Where the extension is and how this browser loads it. Signs it in as soon as it is installed. */
export function ExtensionGuide() {
  const t = useMessages();
  const server = useQuery(serverQuery()).data;
  const page = extensionsPage(navigator.userAgent);
  useEffect(() => {
    const timer = setInterval(
      () => void signInInstalledExtension().then((isLinked) => isLinked && toast(t.extension.linkedToo)),
      SIGN_IN_EVERY_MS,
    );
    return () => clearInterval(timer);
  }, [t]);
  if (!server?.has_extension) return null;
  if (page === null) return <p className="notice">{t.first.otherBrowser}</p>;
  return (
    <div className="stack tight extension-guide">
      <a className="button" href="/v1/extension" download="trailmind-extension.zip">
        <Download size={16} aria-hidden />
        {t.first.download}
      </a>
      <ul className="small muted">
        {t.first.install(page).map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </div>
  );
}
