import { useQuery } from "@tanstack/react-query";
import { Network } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { type MapOwner, thumbnailQuery } from "~/api/queries";
import { useEffectiveTheme } from "~/theme";
import "./SessionCard.css";

/** A small picture of a map, loaded when it is near the screen. */
export function Thumbnail(props: { owner: MapOwner; updatedAt: string; mayHaveMap: boolean }) {
  const { owner, updatedAt, mayHaveMap } = props;
  const theme = useEffectiveTheme();
  const ref = useRef<HTMLDivElement>(null);
  const [isNear, setNear] = useState(false);
  useEffect(() => {
    const box = ref.current;
    if (!box) return;
    const seen = new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && setNear(true), {
      rootMargin: "200px",
    });
    seen.observe(box);
    return () => seen.disconnect();
  }, []);
  const picture = useQuery({ ...thumbnailQuery(owner, updatedAt, theme), enabled: isNear && mayHaveMap });
  return (
    <div ref={ref} className="thumb">
      {picture.data ? (
        <img src={picture.data} alt="" width={84} height={64} />
      ) : (
        <Network size={22} strokeWidth={1.5} aria-hidden />
      )}
    </div>
  );
}
