import { duration } from "@trailmind/api";
import { useState } from "react";
import { useLanguage, useMessages } from "~/i18n";
import { type MapModel, type MapNode, subtree } from "~/map/model";
import { Dialog } from "~/ui/Dialog";
import { Field } from "~/ui/Field";
import "./EditDialogs.css";

export function RenameDialog({
  node,
  title,
  onClose,
  onSave,
}: {
  node?: MapNode;
  title: string;
  onClose: () => void;
  onSave: (label: string) => void;
}) {
  const t = useMessages();
  const [label, setLabel] = useState(node?.label ?? "");
  return (
    <Dialog title={title} isOpen onClose={onClose}>
      <form
        className="stack"
        onSubmit={(e) => {
          e.preventDefault();
          const newLabel = label.trim();
          if (newLabel && newLabel !== node?.label) onSave(newLabel);
          onClose();
        }}
      >
        <Field
          label={t.edit.label}
          value={label}
          maxLength={80}
          autoFocus
          onFocus={(e) => e.currentTarget.select()}
          onChange={(e) => setLabel(e.target.value)}
        />
        <div className="dialog-actions">
          <button type="button" className="button" onClick={onClose}>
            {t.common.cancel}
          </button>
          <button type="submit" className="button primary" disabled={!label.trim()}>
            {t.common.save}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

export function ChooseDialog({
  title,
  model,
  choices,
  onClose,
  onChoose,
}: {
  title: string;
  model: MapModel;
  choices: readonly MapNode[];
  onClose: () => void;
  onChoose: (id: string) => void;
}) {
  const t = useMessages();
  const [filter, setFilter] = useState("");
  const shown = choices.filter((each) => each.label.toLowerCase().includes(filter.trim().toLowerCase()));
  return (
    <Dialog title={title} isOpen onClose={onClose}>
      {choices.length > 8 && (
        <input
          className="input compact"
          type="search"
          aria-label={t.edit.choose}
          placeholder={t.edit.choose}
          value={filter}
          onChange={(e) => setFilter(e.target.value)}
        />
      )}
      <ul className="choices">
        {shown.map((each) => (
          <li key={each.id} data-hue={model.hueOf(each.id) ?? "none"}>
            <button
              type="button"
              className="related"
              onClick={() => {
                onChoose(each.id);
                onClose();
              }}
            >
              <i className="dot" />
              <span className="grow">
                {each.label}
                {each.type === "subtopic" && (
                  <span className="muted small"> · {model.byId.get(model.parent.get(each.id) ?? "")?.label}</span>
                )}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}

/** Splits some children of a topic off into a new topic. At least one page has to stay. */
export function SplitDialog({
  node,
  model,
  onClose,
  onSave,
}: {
  node: MapNode;
  model: MapModel;
  onClose: () => void;
  onSave: (label: string, members: string[]) => void;
}) {
  const t = useMessages();
  const language = useLanguage();
  const [label, setLabel] = useState("");
  const [checkedIds, setCheckedIds] = useState<ReadonlySet<string>>(new Set());
  const parts = (model.children.get(node.id) ?? []).flatMap((id) => model.byId.get(id) ?? []);
  const isPageLeft = parts
    .filter((each) => !checkedIds.has(each.id))
    .some((each) => [...subtree(model, each.id)].some((id) => model.byId.get(id)?.type === "page"));
  const toggle = (id: string) => {
    const next = new Set(checkedIds);
    if (!next.delete(id)) next.add(id);
    setCheckedIds(next);
  };
  return (
    <Dialog title={t.edit.titles.split(node.label)} isOpen onClose={onClose}>
      <form
        className="stack"
        onSubmit={(e) => {
          e.preventDefault();
          onSave(
            label.trim(),
            parts.filter((each) => checkedIds.has(each.id)).map((each) => each.id),
          );
          onClose();
        }}
      >
        <Field
          label={t.edit.splitLabel}
          value={label}
          maxLength={80}
          autoFocus
          onChange={(e) => setLabel(e.target.value)}
        />
        <fieldset className="choices">
          <legend className="label">{t.edit.splitParts}</legend>
          {parts.map((each) => {
            const pages = subtree(model, each.id).size - 1;
            return (
              <label key={each.id} className="related">
                <input type="checkbox" checked={checkedIds.has(each.id)} onChange={() => toggle(each.id)} />
                <span className="grow">{each.label}</span>
                <span className="small muted tnum">
                  {pages > 0
                    ? t.sessions.pages(pages)
                    : each.data.totalDuration > 0
                      ? duration(each.data.totalDuration, language)
                      : ""}
                </span>
              </label>
            );
          })}
        </fieldset>
        {checkedIds.size > 0 && !isPageLeft && (
          <p className="notice amber" role="status">
            {t.edit.splitAll}
          </p>
        )}
        <div className="dialog-actions">
          <button type="button" className="button" onClick={onClose}>
            {t.common.cancel}
          </button>
          <button
            type="submit"
            className="button primary"
            disabled={!label.trim() || checkedIds.size === 0 || !isPageLeft}
          >
            {t.edit.splitGo}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
