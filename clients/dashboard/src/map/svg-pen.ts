/**
 * A pen that writes SVG: every picture is what the canvas shows. Only what all renderers know is used: no style sheet,
 * no `paint-order`, no `dominant-baseline`.
 */
import type { Pen, Picture } from "./pen";
import { directionOf } from "./text-direction";

/** How far below the middle of a line its baseline is, in font sizes. */
const BASELINE_EM = 0.35;
const ANCHORS: Partial<Record<CanvasTextAlign, string>> = { left: "start", center: "middle", right: "end" };
/** Renderers that do not know `unicode-bidi` obey these marks: the text inside has its own direction. */
const RIGHT_TO_LEFT_ISOLATE = "\u2067";
const END_OF_ISOLATE = "\u2069";

/** A translation, a scale and a rotation in radians: screen = rotated(point × scale) + (x, y). */
interface Transform {
  x: number;
  y: number;
  scale: number;
  turn: number;
}

class SvgGradient implements CanvasGradient {
  readonly stops: string[] = [];

  constructor(
    readonly id: string,
    readonly frame: string,
  ) {}

  addColorStop(offset: number, color: string): void {
    this.stops.push(`<stop offset="${short(offset)}" stop-color="${escaped(color)}"/>`);
  }
}

export class SvgPen implements Pen {
  fillStyle: string | CanvasGradient | CanvasPattern = "#000";
  strokeStyle: string | CanvasGradient | CanvasPattern = "#000";
  globalAlpha = 1;
  lineWidth = 1;
  lineCap: CanvasLineCap = "butt";
  lineJoin: CanvasLineJoin = "miter";
  /** As a canvas: weight, size in pixels, family. */
  font = "400 10px sans-serif";
  textAlign: CanvasTextAlign = "left";
  textBaseline: CanvasTextBaseline = "middle";
  direction: CanvasDirection = "ltr";
  private readonly elements: string[] = [];
  private readonly gradients: SvgGradient[] = [];
  private dash: number[] = [];
  private path: string[] = [];
  private transform: Transform = { x: 0, y: 0, scale: 1, turn: 0 };
  private readonly saved: object[] = [];

  /** Lets a picture be drawn, and returns it as a file. */
  static write({ title, width, height, font, draw }: Picture): string {
    const pen = new SvgPen();
    draw(pen);
    const [w, h] = [Math.ceil(width), Math.ceil(height)];
    const defs = pen.gradients.map(
      ({ id, frame, stops }) =>
        `<radialGradient id="${id}" gradientUnits="userSpaceOnUse" ${frame}>${stops.join("")}</radialGradient>`,
    );
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}"`,
      ` font-family="${escaped(font)}" role="img"><title>${escaped(title)}</title>`,
      defs.length > 0 ? `<defs>${defs.join("")}</defs>` : "",
      ...pen.elements,
      "</svg>",
    ].join("");
  }

  save(): void {
    const { transform, dash, fillStyle, strokeStyle, globalAlpha, lineWidth, lineCap, lineJoin } = this;
    const { font, textAlign, textBaseline, direction } = this;
    const look = { fillStyle, strokeStyle, globalAlpha, lineWidth, lineCap, lineJoin };
    this.saved.push(Object.assign({ transform, dash, font, textAlign, textBaseline, direction }, look));
  }

  restore(): void {
    Object.assign(this, this.saved.pop());
  }

  translate(x: number, y: number): void {
    const [px, py] = this.place(x, y);
    this.transform = { ...this.transform, x: px, y: py };
  }

  scale(factor: number): void {
    this.transform = { ...this.transform, scale: this.transform.scale * factor };
  }

  rotate(turn: number): void {
    this.transform = { ...this.transform, turn: this.transform.turn + turn };
  }

  setLineDash(dash: number[]): void {
    this.dash = dash;
  }

  beginPath(): void {
    this.path = [];
  }

  moveTo(x: number, y: number): void {
    this.path.push(`M${this.point(x, y)}`);
  }

  lineTo(x: number, y: number): void {
    this.path.push(`L${this.point(x, y)}`);
  }

  bezierCurveTo(x1: number, y1: number, x2: number, y2: number, x: number, y: number): void {
    this.path.push(`C${this.point(x1, y1)} ${this.point(x2, y2)} ${this.point(x, y)}`);
  }

  /** A whole circle; the map has no other arcs. */
  arc(x: number, y: number, radius: number): void {
    const r = short(radius * this.transform.scale);
    this.path.push(`M${this.point(x - radius, y)}A${r} ${r} 0 1 1 ${this.point(x + radius, y)}`);
    this.path.push(`A${r} ${r} 0 1 1 ${this.point(x - radius, y)}Z`);
  }

  roundRect(x: number, y: number, width: number, height: number, radius: number): void {
    const r = Math.min(radius, width / 2, height / 2);
    const corner = short(r * this.transform.scale);
    const arc = (toX: number, toY: number) => `A${corner} ${corner} 0 0 1 ${this.point(toX, toY)}`;
    const [right, bottom] = [x + width, y + height];
    this.path.push(
      `M${this.point(x + r, y)}L${this.point(right - r, y)}${arc(right, y + r)}`,
      `L${this.point(right, bottom - r)}${arc(right - r, bottom)}L${this.point(x + r, bottom)}${arc(x, bottom - r)}`,
      `L${this.point(x, y + r)}${arc(x + r, y)}Z`,
    );
  }

  fill(): void {
    this.elements.push(`<path d="${this.path.join("")}" ${this.paint("fill", this.fillStyle)}/>`);
  }

  stroke(): void {
    this.elements.push(`<path d="${this.path.join("")}" fill="none" ${this.outline()}/>`);
  }

  fillRect(x: number, y: number, width: number, height: number): void {
    this.roundRect(x, y, width, height, 0);
    this.fill();
    this.path = [];
  }

  fillText(text: string, x: number, y: number): void {
    this.write(text, x, y, this.paint("fill", this.fillStyle));
  }

  /** The outline of a text is an element of its own, before the letters. */
  strokeText(text: string, x: number, y: number): void {
    this.write(text, x, y, `fill="none" ${this.outline()} aria-hidden="true"`);
  }

  createRadialGradient(x0: number, y0: number, _: number, x1: number, y1: number, r1: number): CanvasGradient {
    const [fx, fy] = this.place(x0, y0);
    const [cx, cy] = this.place(x1, y1);
    const frame = `fx="${short(fx)}" fy="${short(fy)}" cx="${short(cx)}" cy="${short(cy)}" r="${short(r1 * this.transform.scale)}"`;
    const gradient = new SvgGradient(`g${this.gradients.length}`, frame);
    this.gradients.push(gradient);
    return gradient;
  }

  private write(text: string, x: number, y: number, look: string): void {
    const [, weight = "400", size = "10"] = /^(\d+) ([\d.]+)px/.exec(this.font) ?? [];
    const px = Number(size) * this.transform.scale;
    const degrees = (this.transform.turn * 180) / Math.PI;
    // In the direction of the text: a turned label has its baseline beside its middle.
    const [baseX, baseY] = this.place(x, y + Number(size) * BASELINE_EM);
    const turn = degrees === 0 ? "" : ` transform="rotate(${short(degrees)} ${short(baseX)} ${short(baseY)})"`;
    const isIsolated = this.direction === "rtl" || directionOf(text) === "rtl";
    const shown = isIsolated ? `${RIGHT_TO_LEFT_ISOLATE}${text}${END_OF_ISOLATE}` : text;
    // Fonts that are no variable fonts have weights in hundreds.
    const shownWeight = Math.round(Number(weight) / 100) * 100;
    this.elements.push(
      `<text x="${short(baseX)}" y="${short(baseY)}" font-size="${short(px)}" font-weight="${shownWeight}" ` +
        `text-anchor="${ANCHORS[this.textAlign] ?? "start"}" ${look}${turn}>${escaped(shown)}</text>`,
    );
  }

  private paint(kind: "fill" | "stroke", style: string | CanvasGradient | CanvasPattern): string {
    const colour = style instanceof SvgGradient ? `url(#${style.id})` : escaped(String(style));
    return `${kind}="${colour}"${this.globalAlpha < 1 ? ` ${kind}-opacity="${short(this.globalAlpha)}"` : ""}`;
  }

  private outline(): string {
    const { scale } = this.transform;
    const dash =
      this.dash.length > 0 ? ` stroke-dasharray="${this.dash.map((each) => short(each * scale)).join(" ")}"` : "";
    return (
      `${this.paint("stroke", this.strokeStyle)} stroke-width="${short(this.lineWidth * scale)}" ` +
      `stroke-linecap="${this.lineCap}" stroke-linejoin="${this.lineJoin}"${dash}`
    );
  }

  private place(x: number, y: number): [number, number] {
    const { scale, turn } = this.transform;
    const [cos, sin] = [Math.cos(turn) * scale, Math.sin(turn) * scale];
    return [x * cos - y * sin + this.transform.x, x * sin + y * cos + this.transform.y];
  }

  private point(x: number, y: number): string {
    return this.place(x, y).map(short).join(" ");
  }
}

function short(value: number): string {
  return String(Math.round(value * 100) / 100);
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
/** Characters that XML 1.0 forbids even as references, and halves of characters. */
const NOT_IN_XML = /(?![\t\n\r])\p{Cc}|[\ufffe\uffff]|\p{Cs}/gu;

function escaped(text: string): string {
  return text.replace(NOT_IN_XML, "").replace(/[&<>"]/g, (sign) => ENTITIES[sign] ?? sign);
}
