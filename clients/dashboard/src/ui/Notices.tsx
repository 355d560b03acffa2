import { useLayoutEffect, useRef } from "react";
import { AccountNotices } from "~/billing/AccountNotices";
import { ConnectionNotice } from "./ConnectionNotice";

/** What every page says above its content. */
export function Notices() {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    // The session's page is as high as the window, without what stands above it.
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() =>
      document.documentElement.style.setProperty("--notices", `${element.offsetHeight}px`),
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return (
    <div ref={box}>
      <ConnectionNotice />
      <AccountNotices />
    </div>
  );
}
