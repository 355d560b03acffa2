/** The tabs of the operators' page; the one that is open is in the URL. */
export const ADMIN_TABS = ["accounts", "sessions", "jobs", "runs", "mail", "ai", "audit", "status"] as const;
export type AdminTab = (typeof ADMIN_TABS)[number];
