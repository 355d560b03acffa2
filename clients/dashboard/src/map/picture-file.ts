/** A picture of a map as a file. */
import { saveFile } from "~/ui/save-file";
import type { Picture } from "./pen";
import { SvgPen } from "./svg-pen";

/** Pixels for each CSS pixel: as sharp as a screen with two. */
const PNG_SCALE = 2;
/** Browsers and other programs refuse larger images. */
const MAX_SIDE_PX = 16_000;
const MAX_AREA_PX = 120_000_000;
const MAX_NAME_CHARS = 80;

export async function savePicture(picture: Picture, format: "png" | "svg"): Promise<void> {
  const file = format === "svg" ? new Blob([SvgPen.write(picture)], { type: "image/svg+xml" }) : await pngOf(picture);
  saveFile(file, `${fileName(picture.title)}.${format}`);
}

async function pngOf({ width, height, draw }: Picture): Promise<Blob> {
  const canvas = document.createElement("canvas");
  const scale = pngScale(width, height);
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("no canvas");
  pen.scale(scale, scale);
  draw(pen);
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture could not be drawn")))),
  );
}

/** How many pixels of a PNG are one CSS pixel. */
export function pngScale(width: number, height: number): number {
  return Math.min(PNG_SCALE, MAX_SIDE_PX / Math.max(width, height), Math.sqrt(MAX_AREA_PX / (width * height)));
}

/** The title without what file systems do not accept, as the server names its files (`serve/routes/exports.py`). */
export function fileName(title: string): string {
  const name = title
    .replace(/[\\/:*?"<>|\p{Cc}]+/gu, " ")
    .replace(/\s+/g, " ")
    .trim();
  return [...name].slice(0, MAX_NAME_CHARS).join("") || "trailmind";
}
