/**
 * Draws a flat map in tiles, once for each scale; the browser's compositor moves them, so that panning draws nothing. A
 * new scale or appearance is drawn in a hidden layer, some tiles per frame, and replaces the visible layer when it is
 * complete; until then the visible layer is scaled.
 */
import type { Camera, Size } from "./camera";
import { type Area, type DrawPlan, drawPlan } from "./draw";

/** The approximate side of a tile, in CSS pixels. */
const TILE_SIZE = 512;
/** Tiles within the first margin around the visible area are drawn ahead; tiles outside the second are released. */
const PREFETCH_MARGIN = 256;
const KEEP_MARGIN = 1024;
/** The time for drawing in a frame of 16 ms. */
const FRAME_BUDGET_MS = 7;
/** The pause after the last change of scale before the map is drawn at the new scale. */
const SETTLE_MS = 110;
/** A layer scaled by more than this factor is redrawn without the pause. */
const MAX_STRETCH = 1.7;
const MAX_POOLED_CANVASES = 48;

export class TiledCanvas {
  /** Returns the plan for a scale. */
  private plan: ((k: number) => DrawPlan) | null = null;
  private camera: Camera = { x: 0, y: 0, k: 1 };
  private size: Size = { width: 0, height: 0 };
  private shown: TileLayer | null = null;
  private next: TileLayer | null = null;
  /** The visible layer shows another map: the next layer is drawn within one frame, and the old one is not moved. */
  private mustReplace = true;
  private frame = 0;
  private settleTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly canvasPool: HTMLCanvasElement[] = [];

  constructor(
    private readonly box: HTMLElement,
    private readonly onComplete: () => void,
  ) {}

  /** Redraws after a change of nodes, colours, marks or size. */
  setPlan(plan: (k: number) => DrawPlan, size: Size): void {
    this.plan = plan;
    this.size = size;
    this.startLayer();
  }

  /** Announces that the next plan shows another scene, not another view of the same one. */
  replaceNext(): void {
    this.mustReplace = true;
  }

  /** Moves the visible layer, and redraws it when the scale has changed. */
  setCamera(camera: Camera): void {
    this.camera = { x: camera.x, y: camera.y, k: camera.k };
    if (!this.shown || this.mustReplace) return;
    this.shown.setCamera(this.camera);
    if (this.shown.k !== camera.k) {
      clearTimeout(this.settleTimer);
      const stretch = camera.k / this.shown.k;
      const isInadequate =
        stretch > MAX_STRETCH ||
        stretch < 1 / MAX_STRETCH ||
        this.shown.missingTiles(this.visibleArea(this.shown)).length > 0;
      if (isInadequate && !this.next) this.startLayer();
      else this.settleTimer = setTimeout(() => this.startLayer(), SETTLE_MS);
    }
    this.requestFrame();
  }

  dispose(): void {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.settleTimer);
    this.shown?.remove();
    this.next?.remove();
  }

  private startLayer(): void {
    clearTimeout(this.settleTimer);
    this.next?.remove();
    this.next = null;
    if (!this.plan || this.size.width === 0 || this.size.height === 0) return;
    this.next = new TileLayer(this.plan(this.camera.k), this.canvasPool);
    if (this.mustReplace) this.drawFrame();
    else this.requestFrame();
  }

  private readonly requestFrame = (): void => {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(this.drawFrame);
  };

  private readonly drawFrame = (): void => {
    const startedMs = performance.now();
    const isInTime = () => performance.now() - startedMs < FRAME_BUDGET_MS;
    if (this.next) {
      const missing = this.next.missingTiles(this.visibleArea(this.next));
      while (missing.length > 0 && (isInTime() || this.mustReplace)) this.next.draw(missing.shift() as TilePosition);
      if (missing.length === 0) this.showNext();
      else this.requestFrame();
      return;
    }
    const { shown } = this;
    if (!shown || shown.k !== this.camera.k) return;
    const visible = this.visibleArea(shown);
    for (const position of shown.missingTiles(visible)) shown.draw(position);
    const missing = shown.missingTiles(expanded(visible, PREFETCH_MARGIN));
    while (missing.length > 0 && isInTime()) shown.draw(missing.shift() as TilePosition);
    if (missing.length > 0) this.requestFrame();
    else shown.dropOutside(expanded(visible, KEEP_MARGIN));
  };

  private showNext(): void {
    const { shown, next } = this;
    if (!next) return;
    next.setCamera(this.camera);
    this.box.append(next.element);
    shown?.remove();
    this.shown = next;
    this.next = null;
    this.mustReplace = false;
    if (next.k !== this.camera.k) this.settleTimer = setTimeout(() => this.startLayer(), SETTLE_MS);
    this.onComplete();
    this.requestFrame();
  }

  /** The visible area of a layer, in the layer's pixels. */
  private visibleArea(layer: TileLayer): Area {
    const stretch = this.camera.k / layer.k;
    return {
      x: -this.camera.x / stretch,
      y: -this.camera.y / stretch,
      width: this.size.width / stretch,
      height: this.size.height / stretch,
    };
  }
}

function expanded({ x, y, width, height }: Area, by: number): Area {
  return { x: x - by, y: y - by, width: width + 2 * by, height: height + 2 * by };
}

interface TilePosition {
  column: number;
  row: number;
}

/** The tiles of one plan. */
class TileLayer {
  readonly element = document.createElement("div");
  /** A tile without content has no canvas. */
  private readonly tiles = new Map<string, TilePosition & { canvas: HTMLCanvasElement | null }>();
  private readonly ratio = Math.min(2, devicePixelRatio || 1);
  /** A whole number of device pixels, so that no seam is visible. */
  private readonly tileSize = Math.round(TILE_SIZE * this.ratio) / this.ratio;

  constructor(
    private readonly plan: DrawPlan,
    private readonly canvasPool: HTMLCanvasElement[],
  ) {
    this.element.className = "map-tiles";
  }

  get k(): number {
    return this.plan.k;
  }

  setCamera({ x, y, k }: Camera): void {
    const toDevicePixel = (at: number) => Math.round(at * devicePixelRatio) / devicePixelRatio;
    const stretch = k / this.k;
    this.element.style.transform = `translate(${toDevicePixel(x)}px, ${toDevicePixel(y)}px)${stretch === 1 ? "" : ` scale(${stretch})`}`;
  }

  /** The tiles of an area that are not drawn yet, from its centre outwards. */
  missingTiles(area: Area): TilePosition[] {
    const positions: TilePosition[] = [];
    const [column0, row0] = [Math.floor(area.x / this.tileSize), Math.floor(area.y / this.tileSize)];
    const [column1, row1] = [
      Math.floor((area.x + area.width) / this.tileSize),
      Math.floor((area.y + area.height) / this.tileSize),
    ];
    for (let row = row0; row <= row1; row++)
      for (let column = column0; column <= column1; column++)
        if (!this.tiles.has(`${column} ${row}`)) positions.push({ column, row });
    const [middleX, middleY] = [
      (area.x + area.width / 2) / this.tileSize - 0.5,
      (area.y + area.height / 2) / this.tileSize - 0.5,
    ];
    const distance = ({ column, row }: TilePosition) => Math.hypot(column - middleX, row - middleY);
    return positions.sort((a, b) => distance(a) - distance(b));
  }

  draw({ column, row }: TilePosition): void {
    const canvas = this.canvasPool.pop() ?? document.createElement("canvas");
    const pixels = Math.round(this.tileSize * this.ratio);
    if (canvas.width !== pixels) canvas.width = canvas.height = pixels;
    // Drawn on the CPU: a tile is drawn once, and text on the GPU costs an upload for each glyph.
    const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    if (!context) return;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    if (
      !drawPlan(context, this.plan, {
        x: column * this.tileSize,
        y: row * this.tileSize,
        width: this.tileSize,
        height: this.tileSize,
      })
    ) {
      this.tiles.set(`${column} ${row}`, { column, row, canvas: null });
      this.release(canvas);
      return;
    }
    // The browser defers drawing until the pixels are read. Reading one makes it draw now, so that the frame's budget
    // is measured.
    context.getImageData(0, 0, 1, 1);
    canvas.style.width = canvas.style.height = `${this.tileSize}px`;
    canvas.style.left = `${column * this.tileSize}px`;
    canvas.style.top = `${row * this.tileSize}px`;
    this.tiles.set(`${column} ${row}`, { column, row, canvas });
    this.element.append(canvas);
  }

  /** Releases the tiles outside `area`. */
  dropOutside(area: Area): void {
    for (const [key, { column, row, canvas }] of this.tiles) {
      const [x, y] = [column * this.tileSize, row * this.tileSize];
      if (
        x + this.tileSize > area.x &&
        x < area.x + area.width &&
        y + this.tileSize > area.y &&
        y < area.y + area.height
      )
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
    if (canvas && this.canvasPool.length < MAX_POOLED_CANVASES) this.canvasPool.push(canvas);
  }
}
