/** A checkpoint in the format safetensors, with weights in fp16 or as codes of a codebook; the counterpart of cdwidget/model/checkpoint.py. */

const CODEBOOK_HALVES: Record<number, number[]> = {
  3: [0.255, 0.7983, 1.4681, 2.5238],
  4: [0.1367, 0.415, 0.7082, 1.0313, 1.4052, 1.8691, 2.5101, 3.6355],
};
const CODES_SUFFIX = ".codes";
const SCALES_SUFFIX = ".scales";

interface Entry {
  dtype: string;
  data_offsets: [number, number];
}

export class Safetensors {
  readonly metadata: Record<string, string>;
  private readonly entries: Record<string, Entry>;
  private readonly start: number; // of the tensors, in bytes

  constructor(private readonly file: ArrayBuffer) {
    const size = Number(new DataView(file).getBigUint64(0, true));
    const { __metadata__: metadata = {}, ...entries } = JSON.parse(
      new TextDecoder().decode(new Uint8Array(file, 8, size)),
    );
    this.metadata = metadata;
    this.entries = entries;
    this.start = 8 + size;
  }

  has(name: string): boolean {
    return name in this.entries;
  }

  bytes(name: string): Uint8Array<ArrayBuffer> {
    const [from, to] = this.entries[name].data_offsets;
    return new Uint8Array(this.file, this.start + from, to - from);
  }

  /** Return a tensor of fp16 values as float32. */
  floats(name: string): Float32Array {
    const bytes = this.bytes(name);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const values = new Float32Array(bytes.length / 2);
    for (let i = 0; i < values.length; i++) values[i] = fromHalf(view.getUint16(2 * i, true));
    return values;
  }

  /** Return a weight of `count` values; it may be quantized. */
  weight(name: string, count: number): Float32Array {
    if (!this.has(name + CODES_SUFFIX)) return this.floats(name);
    const codes = this.bytes(name + CODES_SUFFIX);
    return decode(codes, this.floats(name + SCALES_SUFFIX), count);
  }
}

/** Compute weights from packed codes and the scales of their rows. */
function decode(codes: Uint8Array, scales: Float32Array, count: number): Float32Array {
  const bits = Math.floor((8 * codes.length) / count);
  const half = CODEBOOK_HALVES[bits];
  const values = Float32Array.from([...half.map((value) => -value).reverse(), ...half]);
  const weights = new Float32Array(count);
  const columns = count / scales.length;
  const mask = (1 << bits) - 1;
  let [buffer, held, at, i] = [0, 0, 0, 0];
  for (const scale of scales) {
    for (const end = i + columns; i < end; i++) {
      if (held < bits) {
        buffer = ((buffer << 8) | codes[at++]) & 0xffff;
        held += 8;
      }
      held -= bits;
      weights[i] = values[(buffer >> held) & mask] * scale;
    }
  }
  return weights;
}

function fromHalf(half: number): number {
  const sign = half >> 15 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  return exponent ? sign * (1 + fraction / 1024) * 2 ** (exponent - 15) : sign * fraction * 2 ** -24;
}
