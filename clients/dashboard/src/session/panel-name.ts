/** The dialog that is open over a session's page; null when none is. */
export type PanelName = "left-out" | "score" | "receipt" | "versions" | "share" | "regenerate" | "disclosures" | null;
