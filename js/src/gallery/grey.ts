/** Masks and heat maps come as grey PNGs; this reads their pixels. */

export interface Grey { width: number; height: number; values: Uint8Array } // row by row

let canvas: OffscreenCanvas | null = null; // one for all: they are read one after the other

export async function readGrey(png: DataView<ArrayBuffer>): Promise<Grey> {
  const bitmap = await createImageBitmap(new Blob([png], { type: "image/png" })), { width, height } = bitmap;
  canvas ??= new OffscreenCanvas(width, height);
  canvas.width = width;
  canvas.height = height;
  const ctx = canvas.getContext("2d", { willReadFrequently: true })!;
  ctx.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = ctx.getImageData(0, 0, width, height), values = new Uint8Array(width * height);
  for (let i = 0; i < values.length; i++) values[i] = data[4 * i];
  return { width, height, values };
}
