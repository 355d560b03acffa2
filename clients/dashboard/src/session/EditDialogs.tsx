import { useState } from "react";
import { useWords } from "~/i18n";
import type { MapModel, MapNode } from "~/map/model";
import { Dialog } from "~/ui/overlays";
import { Field } from "~/ui/Field";

export function RenameDialog({ node, title, onClose, onSave }: { node?: MapNode; title?: string; onClose: () => void; onSave: (label: string) => void }) {
  const t = useWords();
  const [label, setLabel] = useState(node?.label ?? "");
  return (
    <Dialog title={title ?? t.edit.rename} isOpen onClose={onClose}>
      <form
        className="stack"
        onSubmit={(e) => {
          e.preventDefault();
          const wanted = label.trim();
          if (wanted && wanted !== node?.label) onSave(wanted);
          onClose();
        }}
      >
        <Field label={t.edit.label} value={label} maxLength={80} autoFocus onFocus={(e) => e.currentTarget.select()} onChange={(e) => setLabel(e.target.value)} />
        <div className="dialog-actions">
          <button type="button" className="button" onClick={onClose}>{t.common.cancel}</button>
          <button type="submit" className="button primary" disabled={!label.trim()}>{t.common.save}</button>
        </div>
      </form>
    </Dialog>
  );
}

export function ChooseDialog({ title, model, choices, onClose, onChoose }: { title: string; model: MapModel; choices: readonly MapNode[]; onClose: () => void; onChoose: (id: string) => void }) {
  const t = useWords();
  return (
    <Dialog title={title} isOpen onClose={onClose}>
      <p className="muted">{t.edit.choose}</p>
      <ul>
        {choices.map((each) => (
          <li key={each.id} data-hue={model.hueOf(each.id) ?? "none"}>
            <button type="button" className="related" onClick={() => { onChoose(each.id); onClose(); }}>
              <i className="dot" />
              <span className="grow">{each.label}{each.type === "subtopic" && <span className="muted small"> · {model.byId.get(model.parent.get(each.id) ?? "")?.label}</span>}</span>
            </button>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
