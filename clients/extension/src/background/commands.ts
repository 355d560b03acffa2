/** The handlers of all commands of the popup and the other extension pages. */

import { accountCommands } from "./account-commands";
import type { CommandDeps, Handlers } from "./command-deps";
import { pageCommands } from "./page-commands";
import { recordingCommands } from "./recording-commands";

export function commandHandlers(deps: CommandDeps): Handlers {
  return { ...recordingCommands(deps), ...accountCommands(deps), ...pageCommands(deps) };
}
