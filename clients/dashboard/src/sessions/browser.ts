/** The page on which this browser loads an unpacked extension; null for a browser that cannot. */
export function extensionsPage(userAgent: string): string | null {
  if (/Mobile|Android/.test(userAgent)) return null;
  const version = Number(/Chrom(?:e|ium)\/(\d+)/.exec(userAgent)?.[1] ?? 0);
  // The manifest's `minimum_chrome_version`.
  if (version < 120) return null;
  if (userAgent.includes("Edg/")) return "edge://extensions";
  if (userAgent.includes("OPR/")) return "opera://extensions";
  if (userAgent.includes("Vivaldi")) return "vivaldi://extensions";
  return "chrome://extensions";
}
