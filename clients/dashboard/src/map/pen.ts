/** What the map is drawn with: a canvas, or the pen that writes SVG. */
export type Pen = Pick<
  CanvasRenderingContext2D,
  | "arc"
  | "beginPath"
  | "bezierCurveTo"
  | "createRadialGradient"
  | "direction"
  | "fill"
  | "fillRect"
  | "fillStyle"
  | "fillText"
  | "font"
  | "globalAlpha"
  | "lineCap"
  | "lineJoin"
  | "lineTo"
  | "lineWidth"
  | "moveTo"
  | "restore"
  | "rotate"
  | "roundRect"
  | "save"
  | "scale"
  | "setLineDash"
  | "stroke"
  | "strokeStyle"
  | "strokeText"
  | "textAlign"
  | "textBaseline"
  | "translate"
>;

/** A drawing of a map, independent of what it is drawn with. In CSS pixels. */
export interface Picture {
  title: string;
  width: number;
  height: number;
  font: string;
  draw: (pen: Pen) => void;
}
