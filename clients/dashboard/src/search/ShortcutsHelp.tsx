import { useMessages } from "~/i18n";
import { Dialog } from "~/ui/Dialog";
import "./ShortcutsHelp.css";

export function ShortcutsHelp({ onClose }: { onClose: () => void }) {
  const t = useMessages();
  const keys: [string[], string][] = [
    [["Ctrl/⌘ K"], t.keys.palette],
    [["/"], t.keys.search],
    [["←", "→", "↑", "↓"], t.keys.move],
    [["Enter"], t.keys.select],
    [["F2"], t.keys.rename],
    [["⇧", "←", "→", "↑", "↓"], t.keys.place],
    [["Ctrl/⌘ Z", "⇧"], t.keys.undo],
    [["+", "−"], t.keys.zoom],
    [["0"], t.keys.fit],
    [["1", "2", "3", "4"], t.keys.layouts],
    [["Esc"], t.keys.close],
    [["?"], t.keys.help],
  ];
  return (
    <Dialog title={t.keys.title} isOpen onClose={onClose}>
      <dl className="shortcuts">
        {keys.map(([names, what]) => (
          <div key={what} style={{ display: "contents" }}>
            <dt className="row">
              {names.map((name) => (
                <kbd key={name}>{name}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
