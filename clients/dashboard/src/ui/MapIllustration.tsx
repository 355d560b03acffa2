import "./MapIllustration.css";

/** A drawing of a small map: one core, three topics, their pages. */
export function MapIllustration() {
  const topics: [number, number, number][] = [
    [0, 92, 46],
    [2, 330, 60],
    [5, 300, 190],
  ];
  return (
    <svg className="map-illustration" viewBox="0 0 440 240" aria-hidden="true" fill="none" strokeLinecap="round">
      {topics.map(([hue, x, y]) => (
        <g key={hue} data-hue={hue} stroke="var(--hue)">
          <path d={`M206 126 C ${(206 + x) / 2} 126 ${(206 + x) / 2} ${y} ${x} ${y}`} strokeWidth="2.5" />
          {[-30, 4, 38].map((dy) => {
            const out = x < 206 ? -58 : 62;
            return (
              <g key={dy}>
                <path
                  d={`M${x} ${y} C ${x + out / 2} ${y} ${x + out / 2} ${y + dy} ${x + out} ${y + dy}`}
                  strokeWidth="1.5"
                  opacity="0.7"
                />
                <circle cx={x + out} cy={y + dy} r="4" fill="var(--hue)" stroke="none" />
              </g>
            );
          })}
          <circle cx={x} cy={y} r="11" fill="var(--fill)" strokeWidth="2.5" />
        </g>
      ))}
      <circle cx="206" cy="126" r="20" fill="var(--accent)" />
    </svg>
  );
}
