import { X } from "lucide-react";
import { useState } from "react";
import { useMessages } from "~/i18n";
import type { MapModel } from "~/map/model";
import { IconButton } from "~/ui/basics";
import { useNoteSentence } from "./note-sentences";

/**
 * What the server notes about how the map was made, for example why no model was used. With a `version`, the notes can
 * be closed until there is another one.
 */
export function MapNotes({
  document,
  version,
  without = [],
}: {
  document: MapModel["document"];
  version?: number | undefined;
  without?: readonly string[];
}) {
  const t = useMessages();
  const sentenceOf = useNoteSentence();
  const [closed, setClosed] = useState<number | null>(null);
  const sentences =
    document.note_details.length > 0
      ? document.note_details.filter(({ code }) => !without.includes(code)).map(sentenceOf)
      : document.notes;
  const shown = sentences.filter((sentence) => sentence !== "");
  if (shown.length === 0 || (version !== undefined && closed === version)) return null;
  return (
    <section className="notice amber map-notes" aria-label={t.mapNotesTitle}>
      <ul>
        {shown.map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
      {version !== undefined && (
        <IconButton label={t.common.close} onClick={() => setClosed(version)}>
          <X size={15} />
        </IconButton>
      )}
    </section>
  );
}
