import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Play } from "lucide-react";
import { useState } from "react";
import { useLanguage, useMessages } from "~/i18n";
import { MapIllustration } from "~/ui/MapIllustration";
import { toast } from "~/ui/toast";
import { ExtensionGuide } from "./ExtensionGuide";
import { playSample } from "./sample";
import "./FirstRun.css";

/** The empty list of a new account: how recording works, and a sample session. */
export function FirstRun() {
  const t = useMessages();
  return (
    <div className="first-run">
      <div className="stack">
        <h2 className="first-run-title">{t.first.title}</h2>
        <p className="muted">{t.first.body}</p>
        <ol>
          {t.first.steps.map(([title, body], i) => (
            <li key={title}>
              <span aria-hidden="true">{i + 1}</span>
              <div>
                <h3>{title}</h3>
                <p className="muted">{body}</p>
                {i === 0 && <ExtensionGuide />}
              </div>
            </li>
          ))}
        </ol>
      </div>
      <div className="first-run-card">
        <MapIllustration />
        <p className="muted">{t.first.sampleHint}</p>
        <SampleButton />
      </div>
    </div>
  );
}

export function SampleButton({ isQuiet }: { isQuiet?: boolean }) {
  const t = useMessages();
  const language = useLanguage();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [progress, setProgress] = useState<[number, number] | null>(null);
  const play = async () => {
    setProgress([0, 1]);
    let isShown = false;
    try {
      await playSample({
        language,
        title: null,
        onProgress: (session, done, total) => {
          setProgress([done, total]);
          if (isShown) return;
          isShown = true;
          // The session's page opens at once; the playback continues in the background.
          client.setQueryData(["session", session.id], session);
          void navigate({ to: "/sessions/$id", params: { id: session.id } });
        },
      });
    } catch {
      toast(t.first.sampleFailed);
    }
    setProgress(null);
    await client.invalidateQueries();
  };
  return (
    <>
      <button
        type="button"
        className={`button ${isQuiet ? "" : "primary wide"}`}
        disabled={progress !== null}
        onClick={() => void play()}
      >
        <Play size={16} />
        {t.first.trySample}
      </button>
      {progress && (
        <p className="small muted tnum" role="status">
          {t.first.playing(...progress)}
        </p>
      )}
    </>
  );
}
