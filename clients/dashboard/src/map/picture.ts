/**
 * The picture of a flat map: tiles that are drawn once for each scale and then moved by the browser, so that dragging
 * costs no drawing. A new scale or a new look is drawn behind the old one, some tiles a frame, and shown when it is
 * whole; until then the old one is stretched.
 */
import { type Area, type Camera, drawPlan, type Plan } from "./draw";

interface Size {
  width: number;
  height: number;
}

/** About how long the side of a tile is, in CSS pixels. */
const SIDE = 512;
/** How far around what is seen tiles are drawn ahead, and beyond which they are given up again. */
const AHEAD = 256;
const KEPT = 1024;
/** How long drawing may take in a frame, of the 16 ms it has. */
const BUDGET_MS = 7;
/** So long after the last change of scale the picture becomes sharp again. */
const REST_MS = 110;
/** Stretched more than this it is drawn anew without waiting for rest. */
const MOST_STRETCH = 1.7;
const MOST_SPARE = 48;

export class Picture {
  /** Makes the plan for a scale. */
  private plan: ((k: number) => Plan) | null = null;
  private camera: Camera = { x: 0, y: 0, k: 1 };
  private size: Size = { width: 0, height: 0 };
  private shown: Sheet | null = null;
  private next: Sheet | null = null;
  /** Nothing of what is shown is of use: the next picture is drawn at one go, and the old one stays as it is. */
  private isAwaited = true;
  private frame = 0;
  private rest: ReturnType<typeof setTimeout> | undefined;
  private readonly spare: HTMLCanvasElement[] = [];

  constructor(
    private readonly box: HTMLElement,
    private readonly onWhole: () => void,
  ) {}

  /** What is to be seen has changed: other nodes, colours, marks, another size of the map. */
  change(plan: (k: number) => Plan, size: Size): void {
    this.plan = plan;
    this.size = size;
    this.begin();
  }

  /** Another map is to be seen than before, not the same one from another place. */
  await(): void {
    this.isAwaited = true;
  }

  /** The reader has moved. */
  move(camera: Camera): void {
    this.camera = { x: camera.x, y: camera.y, k: camera.k };
    if (!this.shown || this.isAwaited) return;
    this.shown.place(this.camera);
    if (this.shown.k !== camera.k) {
      clearTimeout(this.rest);
      const stretch = camera.k / this.shown.k;
      const isPoor =
        stretch > MOST_STRETCH || stretch < 1 / MOST_STRETCH || this.shown.missing(this.seen(this.shown)).length > 0;
      if (isPoor && !this.next) this.begin();
      else this.rest = setTimeout(() => this.begin(), REST_MS);
    }
    this.ask();
  }

  dispose(): void {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.rest);
    this.shown?.remove();
    this.next?.remove();
  }

  private begin(): void {
    clearTimeout(this.rest);
    this.next?.remove();
    this.next = null;
    if (!this.plan || this.size.width === 0 || this.size.height === 0) return;
    this.next = new Sheet(this.plan(this.camera.k), this.spare);
    if (this.isAwaited) this.work();
    else this.ask();
  }

  private readonly ask = (): void => {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(this.work);
  };

  private readonly work = (): void => {
    const began = performance.now();
    const isInTime = () => performance.now() - began < BUDGET_MS;
    if (this.next) {
      const missing = this.next.missing(this.seen(this.next));
      while (missing.length > 0 && (isInTime() || this.isAwaited)) this.next.draw(missing.shift() as Spot);
      if (missing.length === 0) this.swap();
      else this.ask();
      return;
    }
    const { shown } = this;
    if (!shown || shown.k !== this.camera.k) return;
    const seen = this.seen(shown);
    for (const spot of shown.missing(seen)) shown.draw(spot);
    const missing = shown.missing(widened(seen, AHEAD));
    while (missing.length > 0 && isInTime()) shown.draw(missing.shift() as Spot);
    if (missing.length > 0) this.ask();
    else shown.forget(widened(seen, KEPT));
  };

  private swap(): void {
    const { shown, next } = this;
    if (!next) return;
    next.place(this.camera);
    this.box.append(next.element);
    shown?.remove();
    this.shown = next;
    this.next = null;
    this.isAwaited = false;
    if (next.k !== this.camera.k) this.rest = setTimeout(() => this.begin(), REST_MS);
    this.onWhole();
    this.ask();
  }

  /** What is seen of a sheet, in its own pixels. */
  private seen(sheet: Sheet): Area {
    const stretch = this.camera.k / sheet.k;
    return {
      x: -this.camera.x / stretch,
      y: -this.camera.y / stretch,
      width: this.size.width / stretch,
      height: this.size.height / stretch,
    };
  }
}

function widened({ x, y, width, height }: Area, by: number): Area {
  return { x: x - by, y: y - by, width: width + 2 * by, height: height + 2 * by };
}

interface Spot {
  column: number;
  row: number;
}

/** All tiles of one plan. */
class Sheet {
  readonly element = document.createElement("div");
  /** Without a canvas where there is nothing to be seen. */
  private readonly tiles = new Map<string, Spot & { canvas: HTMLCanvasElement | null }>();
  private readonly ratio = Math.min(2, devicePixelRatio || 1);
  /** Whole pixels of the display, so that no seam shows. */
  private readonly side = Math.round(SIDE * this.ratio) / this.ratio;

  constructor(
    private readonly plan: Plan,
    private readonly spare: HTMLCanvasElement[],
  ) {
    this.element.className = "map-sheet";
  }

  get k(): number {
    return this.plan.k;
  }

  place({ x, y, k }: Camera): void {
    const whole = (at: number) => Math.round(at * devicePixelRatio) / devicePixelRatio;
    const stretch = k / this.k;
    this.element.style.transform = `translate(${whole(x)}px, ${whole(y)}px)${stretch === 1 ? "" : ` scale(${stretch})`}`;
  }

  /** Which tiles of an area have not been drawn yet, those in its middle first. */
  missing(area: Area): Spot[] {
    const found: Spot[] = [];
    const [column0, row0] = [Math.floor(area.x / this.side), Math.floor(area.y / this.side)];
    const [column1, row1] = [
      Math.floor((area.x + area.width) / this.side),
      Math.floor((area.y + area.height) / this.side),
    ];
    for (let row = row0; row <= row1; row++)
      for (let column = column0; column <= column1; column++)
        if (!this.tiles.has(`${column} ${row}`)) found.push({ column, row });
    const [middleX, middleY] = [
      (area.x + area.width / 2) / this.side - 0.5,
      (area.y + area.height / 2) / this.side - 0.5,
    ];
    const away = ({ column, row }: Spot) => Math.hypot(column - middleX, row - middleY);
    return found.sort((a, b) => away(a) - away(b));
  }

  draw({ column, row }: Spot): void {
    const canvas = this.spare.pop() ?? document.createElement("canvas");
    const pixels = Math.round(this.side * this.ratio);
    if (canvas.width !== pixels) canvas.width = canvas.height = pixels;
    // Drawn by the processor: a tile is drawn once, and a graphics card would have to be asked for each letter of it.
    const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    if (!context) return;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    if (
      !drawPlan(context, this.plan, { x: column * this.side, y: row * this.side, width: this.side, height: this.side })
    ) {
      this.tiles.set(`${column} ${row}`, { column, row, canvas: null });
      this.release(canvas);
      return;
    }
    // The browser only notes down what is to be drawn until somebody looks; looking makes the time spent known here.
    context.getImageData(0, 0, 1, 1);
    canvas.style.width = canvas.style.height = `${this.side}px`;
    canvas.style.left = `${column * this.side}px`;
    canvas.style.top = `${row * this.side}px`;
    this.tiles.set(`${column} ${row}`, { column, row, canvas });
    this.element.append(canvas);
  }

  /** Gives up the tiles outside of `area`. */
  forget(area: Area): void {
    for (const [key, { column, row, canvas }] of this.tiles) {
      const [x, y] = [column * this.side, row * this.side];
      if (x + this.side > area.x && x < area.x + area.width && y + this.side > area.y && y < area.y + area.height)
        continue;
      this.tiles.delete(key);
      this.release(canvas);
    }
  }

  remove(): void {
    this.element.remove();
    for (const { canvas } of this.tiles.values()) this.release(canvas);
    this.tiles.clear();
  }

  private release(canvas: HTMLCanvasElement | null): void {
    canvas?.remove();
    if (canvas && this.spare.length < MOST_SPARE) this.spare.push(canvas);
  }
}
