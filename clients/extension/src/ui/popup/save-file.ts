/** Saves the local data of a recording as a file. */

import { command } from "../command";

export async function saveFile(recordingId: string): Promise<void> {
  const response = await command("export", { id: recordingId });
  if (!response.ok) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([response.value], { type: "application/json" }));
  link.download = `trailmind-${recordingId.slice(0, 8)}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
