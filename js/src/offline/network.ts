/** CDNet in onnxruntime, on one thread of WebAssembly. */
import * as ort from "onnxruntime-web/wasm";
import { Safetensors } from "./checkpoint";
import { gunzip } from "./payload";

/** The files of a network, which cdwidget/widget/offline puts into the page. */
export interface NetworkFiles {
  runtime: ArrayBuffer; // onnxruntime in WebAssembly
  checkpoint: ArrayBuffer; // weights
  graphs: ArrayBuffer; // ONNX graphs without weights
}

export interface Prediction {
  logits: Float32Array[]; // of each head, the main head first; size / 4 squared
  quality: Float32Array; // logit of each head's predicted IoU
}

/** The encoder's output for one view. */
export type Encoded = ort.Tensor[];

interface GraphInfo {
  weights: Record<string, number>; // name in the checkpoint -> number of values
}

export class Network {
  readonly size: number; // side of a view in pixels
  readonly focusSize: number; // side of a focus view
  readonly clickRadius: number; // view pixels
  private readonly graphs: Safetensors;
  private readonly weights: Safetensors;
  private readonly sessions = new Map<string, Promise<ort.InferenceSession>>();

  constructor({ runtime, checkpoint, graphs }: NetworkFiles) {
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = runtime;
    this.weights = new Safetensors(checkpoint);
    this.graphs = new Safetensors(graphs);
    const config = JSON.parse(this.weights.metadata.config);
    this.size = config.size;
    this.clickRadius = config.click_radius;
    this.focusSize = Number(this.graphs.metadata.focus_size);
  }

  /** Build the graphs for views of a size. */
  async prepare(size: number): Promise<void> {
    await this.session("encoder", size);
    await this.session("head", size);
  }

  /** Encode a view, (3, size, size) in [0, 1]. */
  async encode(image: Float32Array, size: number): Promise<Encoded> {
    const session = await this.session("encoder", size);
    const outputs = await session.run({ [session.inputNames[0]]: square(image, size) });
    return session.outputNames.map((name) => outputs[name]);
  }

  /** Predict from prompt maps, (3, size, size). */
  async predict(encoded: Encoded, maps: Float32Array, size: number): Promise<Prediction> {
    const session = await this.session("head", size);
    const inputs = [...encoded, square(maps, size)];
    const outputs = await session.run(Object.fromEntries(session.inputNames.map((name, i) => [name, inputs[i]])));
    const [logits, , quality] = session.outputNames.map((name) => outputs[name].data as Float32Array);
    const cells = (size / 4) ** 2;
    return { logits: Array.from(quality, (_, i) => logits.subarray(i * cells, (i + 1) * cells)), quality };
  }

  private session(part: string, size: number): Promise<ort.InferenceSession> {
    const name = `${part}-${size}`;
    const made = this.sessions.get(name) ?? this.build(name);
    this.sessions.set(name, made);
    return made;
  }

  private async build(name: string): Promise<ort.InferenceSession> {
    const graph = await gunzip(this.graphs.bytes(name));
    const { weights }: GraphInfo = JSON.parse(this.graphs.metadata[name]);
    const externalData = Object.entries(weights).map(([path, count]) => ({
      path,
      data: new Uint8Array(this.weights.weight(path, count).buffer as ArrayBuffer),
    }));
    return ort.InferenceSession.create(new Uint8Array(graph), { externalData });
  }
}

function square(values: Float32Array, size: number): ort.Tensor {
  return new ort.Tensor("float32", values, [1, values.length / size ** 2, size, size]);
}
