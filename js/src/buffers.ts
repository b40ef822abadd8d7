/** The binary data of messages. */

/** Jupyter's hosts pass DataViews; others pass bare buffers or typed arrays. */
export type HostBuffer = ArrayBuffer | ArrayBufferView<ArrayBuffer>;

export function viewOf(data: HostBuffer): DataView<ArrayBuffer> {
  return ArrayBuffer.isView(data) ? new DataView(data.buffer, data.byteOffset, data.byteLength) : new DataView(data);
}

/** Decompress the buffers at some positions. */
export function inflateSome(buffers: DataView<ArrayBuffer>[], positions: number[]): Promise<DataView<ArrayBuffer>[]> {
  return Promise.all(buffers.map((buffer, position) => (positions.includes(position) ? inflate(buffer) : buffer)));
}

/** Decompress zlib data. */
async function inflate(packed: DataView<ArrayBuffer>): Promise<DataView<ArrayBuffer>> {
  return new DataView(await decompress(packed, "deflate"));
}

export async function decompress(packed: BlobPart, format: CompressionFormat): Promise<ArrayBuffer> {
  if (!("DecompressionStream" in globalThis)) throw new Error("this browser is too old to decompress data; update it");
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream(format));
  return new Response(stream).arrayBuffer();
}

/** Copy the bytes of a buffer, which may start anywhere in the message, so that typed arrays can view them. */
export function copyBuffer({ buffer, byteOffset, byteLength }: DataView<ArrayBuffer>): ArrayBuffer {
  return buffer.slice(byteOffset, byteOffset + byteLength);
}
