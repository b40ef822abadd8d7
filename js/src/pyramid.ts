/** The image at full size and halved again and again: drawing from the right size is quick and does not shimmer. */
const SMALLEST = 1_000_000; // pixels; below this a canvas scales fast enough by itself

export class Pyramid {
  private constructor(private readonly levels: ImageBitmap[]) {}

  static async decode(file: Blob): Promise<Pyramid> {
    const levels = [await createImageBitmap(file)];
    for (let last = levels[0]; last.width * last.height > SMALLEST; levels.push(last)) {
      last = await createImageBitmap(last, { resizeWidth: last.width >> 1, resizeHeight: last.height >> 1, resizeQuality: "medium" });
    }
    return new Pyramid(levels);
  }

  get width() { return this.levels[0].width; }

  /** The smallest level that still has a pixel for every one of `width` pixels on the screen. */
  level(width: number): ImageBitmap {
    return [...this.levels].reverse().find((level) => level.width >= width) ?? this.levels[0];
  }

  close() { this.levels.forEach((level) => level.close()); }
}
