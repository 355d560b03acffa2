import { useMessages } from "~/i18n";
import type { MapModel } from "~/map/model";

/** What the server notes about how the map was made, for example why no model was used. */
export function MapNotes({ document, without = [] }: { document: MapModel["document"]; without?: readonly string[] }) {
  const t = useMessages();
  const sentences =
    document.note_details.length > 0
      ? document.note_details
          .filter(({ code }) => !without.includes(code))
          .map(({ code, values }) => t.mapNotes[code]?.(values) ?? "")
      : document.notes;
  const shown = sentences.filter((sentence) => sentence !== "");
  if (shown.length === 0) return null;
  return (
    <ul className="notice amber map-notes" aria-label={t.mapNotesTitle}>
      {shown.map((sentence) => (
        <li key={sentence}>{sentence}</li>
      ))}
    </ul>
  );
}
