/** Hands the user everything that is still here of a recording. */

import { command } from "../command";

export async function saveFile(recordingId: string): Promise<void> {
  const answer = await command("export", { id: recordingId });
  if (!answer.ok) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([answer.value], { type: "application/json" }));
  link.download = `trailmind-${recordingId.slice(0, 8)}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
