const n = (count: number, one: string, many: string) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** Every English sentence of the dashboard. `ko.ts` must have the same shape. */
export const en = {
  brand: "Trailmind",
  tagline: "Two hours of browsing, understood in a minute.",
  skip: "Skip to content",
  nav: { sessions: "Sessions", search: "Search", account: "Account", timeline: "Timeline", map: "Map", more: "More", main: "Main", keys: "Keyboard shortcuts" },
  common: {
    cancel: "Cancel", save: "Save", close: "Close", retry: "Try again", undo: "Undo", redo: "Redo", back: "Back", delete: "Delete", copy: "Copy", copied: "Copied",
    loading: "Loading", slow: "This is taking longer than usual. We keep trying.", untitled: "Untitled session", open: "Open", more: "More actions", show: "Show", hide: "Hide", clear: "Clear", done: "Done", rename: "Rename", saved: "Saved", off: "Off", on: "On", newTab: "opens in a new tab",
  },
  auth: {
    signIn: "Sign in", signUp: "Create account", signOut: "Sign out", email: "E-mail", password: "Password", newPassword: "New password", repeat: "Repeat password",
    signingIn: "Signing in…", signingUp: "Creating account…", sending: "Sending…", saving: "Saving…",
    noAccount: "New here?", haveAccount: "Already have an account?", forgot: "Forgot password?",
    forgotTitle: "Reset your password", forgotBody: "Tell us your e-mail address. If there is an account, we send a link that works for one hour.", sendLink: "Send link", linkSent: "If an account belongs to this address, a link is on its way. It works for one hour.",
    resetTitle: "Choose a new password", resetDone: "Your password is changed. Sign in with it.", resetMissing: "This link is incomplete. Ask for a new one.",
    verifyTitle: "Confirm your address", verifyDone: "Your address is confirmed.", verifyFailed: "This link is no longer valid. You can ask for a new one in your account.",
    google: "Continue with Google", googleFailed: "Google did not sign you in. Try again, or use your password.", or: "or",
    expired: "You were signed out because your login ended. Sign in and you are back where you were.",
    wrong: "This e-mail and password do not belong together.", taken: "There is already an account with this address. Sign in instead?",
    emailBad: "This is not an e-mail address.", passwordShort: "At least 8 characters.", passwordMissing: "Type your password.", mismatch: "The two passwords differ.", showPassword: "Show password", hidePassword: "Hide password", passwordHint: "At least 8 characters",
    points: ["Records only when you say so", "Every label shows the sentence it came from", "Your pages stay on your server"],
  },
  status: { recording: "Recording", paused: "Paused", processing: "Drawing the map", completed: "Done", failed: "Failed" },
  groups: { today: "Today", yesterday: "Yesterday", week: "This week", month: "This month", older: "Older" },
  sessions: {
    title: "Sessions", filters: (c: number) => (c ? `Filters (${c})` : "Filters"), anyStatus: "Any status", count: (c: number) => n(c, "session", "sessions"), filter: "Filter sessions", status: "Status", all: "All", from: "From", to: "To", domain: "Site", keyword: "Keyword", text: "Search titles, summaries, highlights", loadMore: "Show more", clearFilters: "Clear filters",
    pages: (c: number) => n(c, "page", "pages"), highlights: (c: number) => n(c, "highlight", "highlights"), reading: (d: string) => `${d} reading`, noMap: "No map yet",
    none: "Nothing matches", noneHint: "Try fewer filters or another word.", deleted: (t: string) => `“${t}” deleted`, restored: "Session restored", menu: (t: string) => `Actions for ${t}`, failed: "The map could not be drawn.",
  },
  first: {
    title: "Your first trail starts here", body: "Trailmind follows along while you read, then draws a map of what it was about. Nothing is recorded until you press Start.",
    steps: [
      ["Add the extension", "Install the Trailmind extension in Chrome and sign in with this account."],
      ["Press Start, then browse", "Read, mark sentences, wander. Banking and mail sites are left out by default."],
      ["Press Stop", "Within seconds you have a timeline and a map, each label with its source."],
    ] as [string, string][],
    trySample: "Play a sample session", sampleHint: "A recorded session of free documentation runs through the real recorder in about ten seconds.", playing: (a: number, b: number) => `Playing ${a} of ${b} events…`, sampleTitle: "Sample session", sampleFailed: "The sample stopped. What was recorded is kept.",
  },
  session: {
    back: "All sessions", edit: "Edit title", title: "Title", duration: "Duration", reading: "Reading time", pages: "Pages", highlights: "Highlights", receipt: "Receipt",
    live: "Recording now. New pages appear by themselves.", pausedNow: "Paused. Nothing is recorded.", pause: "Pause", resume: "Resume", stop: "Stop and draw the map", notFound: "This session does not exist", notFoundHint: "It may have been deleted, or it belongs to another account.",
    deletedHere: "This session was deleted.", titleFailed: "The title was not saved.", views: "View", split: "Side by side", divider: "Width of timeline and map", moved: (s: string) => `Session is now: ${s}`,
  },
  timeline: {
    title: "Timeline", empty: "No pages yet", emptyHint: "Pages appear here as you read.", emptyDone: "This session has no pages. Nothing was recorded before Stop.",
    dwell: (d: string) => `${d} active`, scroll: (p: number) => `${p}% scrolled`, revisit: "again", pause: (d: string) => `Paused for ${d}`, pauseOpen: "Paused", gap: (d: string) => `${d} without a page`, allTopics: "All topics", topicFilter: "Topic", strip: "The session as coloured time. Click to jump, drag to filter.", range: (a: string, b: string) => `${a} – ${b}`, offMap: "not on the map", openPage: (t: string) => `Open ${t}`, select: (t: string) => `Show ${t} on the map`, elsewhere: "Marked on pages outside the session", filteredOut: "No pages in this part", count: (c: number) => n(c, "visit", "visits"), note: "Note", jumpTo: "Jump to time",
  },
  map: {
    title: "Map", tree: "Tree", radial: "Radial", galaxy: "Galaxy", outline: "Outline", layout: "Layout", zoomIn: "Zoom in", zoomOut: "Zoom out", fit: "Fit to view", full: "Full screen", exitFull: "Leave full screen", find: "Find on the map", found: (a: number, b: number) => `${a} of ${b}`, notFound: "Nothing found", nextMatch: "Next match", legend: "Topics", focus: "Focus on this topic", unfocus: "Show all topics", expand: "Expand", collapse: "Collapse", expandAll: "Expand all", collapseAll: "Topics only",
    canvas: (t: string, c: number) => `Map of ${t} with ${n(c, "node", "nodes")}. Arrow keys move, Enter selects, plus and minus zoom, 0 fits. The outline view holds the same content as text.`,
    none: "There is no map yet", noneHint: "A map is drawn when the recording stops. You can also ask for one now.", generate: "Draw the map", live: "The map is drawn when you stop recording.", failed: "The map could not be drawn", failedHint: "Your pages are safe. Try again.", regenerate: "Draw again", regenerating: "Drawing the map again…", empty: "Nothing to draw", emptyHint: "None of the pages had content for a map. The left-out list says why.", unreadable: "This map cannot be shown", unreadableHint: "It was made by a version this page does not understand.", no3d: "No 3-D on this device; the flat galaxy shows the same.", loading3d: "Loading the galaxy…", nodes: (a: number, b: number) => `${n(a, "topic", "topics")}, ${n(b, "page", "pages")}`,
    kinds: { core: "Session", topic: "Topic", subtopic: "Subtopic", page: "Page" }, newTopic: "New topic found",
  },
  stages: { queued: "Waiting for a worker", reading: "Reading pages", grouping: "Grouping", naming: "Naming topics", labeling: "Naming topics", drawing: "Drawing", saving: "Saving", other: "Working", read: (a: number, b: number) => `${a} of ${b} pages read`, topics: (c: number) => `${n(c, "topic", "topics")} found`, elapsed: (d: string) => `${d} so far`, title: "Drawing your map" },
  evidence: {
    title: "Evidence", from: "Where it comes from", none: "No sentence was kept for this label.", open: "Open at this passage", openPage: "Open page", why: "Why this size", parts: { dwell: "Reading time", highlights: "Highlights", scroll: "Scrolling", revisits: "Returns", centrality: "Close to the subject" }, related: "Related topics", pages: "Pages", keywords: "Keywords", searches: "Searched for", highlights: "Highlights", visited: (w: string) => `visited ${w}`, visits: (c: number) => n(c, "visit", "visits"), provider: (p: string, v: number) => `Drawn by ${p} · version ${v}`, shares: "shares", close: "Close evidence", byYou: "named by you", minutes: (d: string, h: number, r: number) => [`${d} reading`, h ? n(h, "highlight", "highlights") : "", r ? n(r, "return", "returns") : ""].filter(Boolean).join(", "),
  },
  leftOut: { title: "Left out", count: (c: number) => `${c} left out`, hint: "Every recorded page is either on the map or listed here with the reason.", none: "Nothing was left out.", hidden: "Hidden by you", hiddenHint: "Not drawn, but kept.", reasons: { search_results: "A list of search results, not a page that was read.", login: "A sign-in page.", error: "The server answered with an error page.", empty: "The page had no text and no title of its own.", loading: "Captured before it had loaded.", consent: "A cookie or privacy notice covered the page.", captcha: "A check for robots, not content.", inbox: "A mailbox or message list.", new_tab: "An empty tab.", sensitive: "Excluded as a sensitive site.", hidden_by_user: "You have hidden this page.", deleted_by_user: "You have removed this page.", not_placed: "The provider did not place this page." } as Record<string, string> },
  score: { title: "Scorecard", hint: "Computed from the recorded pages, not estimated by a model.", grounding: "Labels with a source", groundingHint: "Share of labels borne out by a sentence of a page", coverage: "Pages accounted for", coverageHint: "On the map or left out with a reason", attention: "Attention on the map", attentionHint: "Share of reading time spent on pages that are drawn", separation: "Topics kept apart", separationHint: "How often similar pages share a topic", stability: "Stable topics", stabilityHint: "Agreement when some pages are withheld", continuity: "Same as before", continuityHint: "Share of the last version that stayed", unknown: "not known" },
  receipt: { title: "Receipt", hint: "What reached the server, counted from what is stored.", seen: "Seen", stored: "Stored", duplicate: "Duplicate", excluded: "Excluded", invalid: "Invalid", gaps: "Gaps", line: (a: number, b: number, c: number) => `seen ${a} · stored ${b} · excluded ${c}` },
  edit: {
    // The server's own sentences are in English already.
    refused: {} as Readonly<Record<string, string>>,
    title: "Edit", rename: "Rename", merge: "Merge into…", move: "Move to…", pin: "Pin", unpin: "Unpin", hide: "Hide", unhide: "Show again", add: "Add below…", link: "Link to…", split: "Split off…", splitTitle: (a: string) => `Split “${a}”`, splitLabel: "Name of the new topic", splitParts: "What goes there", splitAll: "Something has to stay behind.", splitGo: "Split off", unlink: "Remove link to…", more: "More edits", remove: "Remove", saved: "Saved as an edit", undone: "Undone", redone: "Redone", failed: "The edit was not saved.", choose: "Choose a topic", label: "New name", conflict: "The map changed meanwhile. It is shown as it is now; try again.", drag: (a: string, b: string) => `Move “${a}” to “${b}”`, dragHint: (a: string) => `Drop “${a}” on a topic`,
  },
  versions: { title: "Versions", current: "current", version: (v: number) => `Version ${v}`, restore: "Restore", restored: (v: number) => `Version ${v} is back`, compare: "Compare with current", same: "No differences", none: "This is the only version." },
  regenerate: { title: "Draw the map again?", body: "Your edits are kept and replayed on the new version. The present version stays under Versions.", free: "The local pipeline draws it at no cost.", go: "Draw again", cost: (c: string) => `Estimated: ${c}` },
  share: { title: "Share", body: "Anyone with the link can look; nobody can change anything. Search engines are kept out.", what: "What is visible", map: "Map only", pages: "Map and pages", highlights: "Map, pages and highlights", expires: "Expires", day: "in a day", week: "in a week", month: "in 30 days", never: "never", create: "Create link", existing: "Links", revoke: "Revoke", revoked: "The link no longer works.", none: "No links yet.", publicTitle: "Shared session", gone: "This link no longer works", goneHint: "It was revoked or has expired. Ask the person who sent it.", made: "with Trailmind", views: (c: number) => n(c, "view", "views") },
  export: { title: "Export", failed: "The export did not work.", formats: { png: "Picture (PNG)", svg: "Picture (SVG)", markdown: "Markdown", opml: "Outline (OPML)", freemind: "FreeMind (.mm)", json: "Data (JSON)", csv: "Timeline (CSV)" } as Record<string, string>, plan: "Your plan does not include this format." },
  search: { title: "Search", hint: "Search everything you have read", placeholder: "Pages, highlights, titles, topics", none: (q: string) => `Nothing found for “${q}”`, noneHint: "Parts of words work too. Try a shorter one.", results: (c: number) => n(c, "result", "results"), palette: "Go to or do", recent: "Recent sessions", actions: "Actions", everywhere: (q: string) => `Search everywhere for “${q}”`, toggleTheme: "Switch light and dark", switchLanguage: "한국어로 보기", more: (c: number) => `First ${c} results`, type: "Type a word to search.", unavailable: "Search is not available on this server yet." },
  account: {
    title: "Account", plan: "Plan", usage: "Usage", history: "History", settings: "Settings", keys: "API keys", data: "Your data", disclosures: "What is sent where", billing: "Checkout and invoices come with billing.", unverified: "Your address is not confirmed yet.", verifySend: "Send the link again", verifySent: "The link is on its way.",
    language: "Language", theme: "Appearance", light: "Light", dark: "Dark", system: "As the system", notices: "E-mail notices", noticesHint: "A report when a map is ready, and warnings about usage", excluded: "Excluded domains", excludedHint: "One per line. Pages there are never stored, whatever the browser sends.", saved: "Settings saved", unlimited: "unlimited", tokens: (c: string) => `${c} tokens`, of: (a: string, b: string) => `${a} of ${b} tokens`, resets: (d: string) => `resets on ${d}`, perOperation: "By operation", current: "current plan", perMonth: (p: string) => `${p} a month`, tokensMonth: (c: string) => `${c} tokens a month`, tokensAny: "Unlimited tokens", keptDays: (d: number) => `Sessions kept for ${n(d, "day", "days")}`, keptAlways: "Sessions kept until you delete them", atOnce: (c: number) => `${n(c, "recording", "recordings")} at a time`, atOnceAny: "Any number of recordings at a time", free: "Free", custom: "On request", near: "Most of this month is used.", over: "This month is used up. Maps are drawn locally until it resets.", noHistory: "No usage yet.",
    features: { export_png: "Pictures (PNG)", export_svg: "Pictures (SVG)", export_md: "Markdown and outlines", export_json: "Data (JSON, CSV)", priority_support: "Priority support", api_access: "API access", team_sharing: "Team sharing", sso: "Single sign-on", custom_ai: "Own AI provider" } as Record<string, string>, operations: { mindmap: "Maps", mindmap_generate: "Maps", summarize: "Summaries", tag_extraction: "Keywords", label: "Labels" } as Record<string, string>,
    keyName: "Name", keyCreate: "Create key", keyOnce: "Copy it now: it is shown only once.", keyRevoke: "Revoke", keyRevoked: "Key revoked", keyNone: "No keys.", keyUsed: (d: string) => `last used ${d}`, keyNever: "never used",
    export: "Export my data", exportHint: "A zip with everything we store about you.", delete: "Delete account", deleteHint: "Erases every session, map and setting. This cannot be undone.", deleteConfirm: "Type your e-mail address to confirm", deleteGo: "Delete everything", deleted: "Your account and everything in it is deleted.",
    disclosureBody: "Pages and highlights are stored on this server. Maps are drawn by the local pipeline unless the operator has set up a provider; the map then names it. No third party loads anything into this page.", password: "Change password", oldPassword: "Present password", passwordChanged: "Password changed", wrongPassword: "The present password is not right.", absent: "Not available on this server yet.",
  },
  extension: {
    title: "Sign the extension in?", body: (e: string) => `The Trailmind extension will record to ${e} when you press Start. Go on only if you have just asked for this in the extension.`, go: "Sign in the extension", linked: "The extension is signed in", linkedHint: "Open it from the toolbar and press Start.", linkedToo: "The extension is signed in, too.", failed: "The extension did not accept the sign-in. Open it and try again.",
    unreachable: "The extension cannot be reached", unreachableHint: "Open this page from the Trailmind extension, in the browser it is installed in.",
  },
  disclosure: { title: "What was sent where", hint: "Every request to an AI provider about this session, as it was sent.", none: "Nothing left this server: the map was drawn here.", chars: (c: string) => `${c} characters`, redacted: (c: number) => `${n(c, "secret", "secrets")} removed`, text: "What was sent", instructions: "Instructions", answer: "Answer", kept: (d: number) => `Texts are kept for ${n(d, "day", "days")}; the record stays.`, gone: "The text is no longer kept." },
  errors: {
    offline: ["No connection", "The server cannot be reached. Check your connection; we try again when it is back."],
    timeout: ["The server is slow", "It did not answer in time. Nothing is lost; try again in a moment."],
    bad_request: ["That did not work", "The server did not understand the request."],
    signed_out: ["You are signed out", "Sign in again to go on."],
    payment: ["This month is used up", "Your plan's allowance is used. It resets next month; your sessions stay readable."],
    forbidden: ["Not allowed", "This account may not do that."],
    missing: ["Not found", "It may have been deleted or moved."],
    conflict: ["Something changed meanwhile", "Reload and try again."],
    too_many: ["Too many requests", "The server asked us to wait a little."],
    unavailable: ["The server is busy", "It is starting or restarting. This usually takes a few seconds."],
    server: ["Something broke on our side", "It is not your fault and has been logged. Try again; if it stays, tell us the number below."],
  } as Record<string, [string, string]>,
  errorWait: (s: number) => `Try again in ${s} s`, errorId: (id: string) => `Request ${id}`, signInAgain: "Sign in", seeAccount: "See usage", renderTitle: "This page stopped working", renderHint: "Reload it. Nothing you recorded is lost.", reload: "Reload", pageMissing: "There is no such page", pageMissingHint: "The address may be mistyped.", goHome: "Go to your sessions",
  keys: { title: "Keyboard shortcuts", palette: "Command palette", search: "Search", help: "This list", move: "Move on the map", zoom: "Zoom", fit: "Fit the map", layouts: "Tree, radial, galaxy, outline", close: "Close or clear selection", undo: "Undo, redo an edit", select: "Select", rename: "Rename" },
};

export type Words = typeof en;
