"""Number formats of weights: bf16 for inference, and codebooks of a few bits per weight for small files.

Codebook quantization stores each weight as a code of `bits` bits: the index of one of 2^bits values, which the scale of its row multiplies.
The values minimize the mean squared error (Lloyd, 1957; Max, 1960) for Student's t-distribution with 10 degrees of freedom, which trained
weights resemble more than the normal distribution. All tensors share them, so a file holds only codes and scales.
"""

from __future__ import annotations

from contextlib import contextmanager
from copy import deepcopy
from typing import Iterator, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

CODEBOOK_HALVES = {  # bits -> the positive values for weights with a root mean square of 1; the negative values mirror them
    3: (0.2550, 0.7983, 1.4681, 2.5238),
    4: (0.1367, 0.4150, 0.7082, 1.0313, 1.4052, 1.8691, 2.5101, 3.6355),
}
MAX_UNQUANTIZED_WEIGHTS = 2_000  # Tensors up to this size keep fp16.
LARGE_TENSOR_WEIGHTS = 300_000  # Tensors from this size on get one bit less than the others.
SCALE_ITERATIONS = 2  # alternations between choosing codes and choosing scales
MIN_SCALE = 1e-8
PROBE_WEIGHTS = 64  # weights of a row that are checked for being codebook values already
AUTOCAST_LAYERS = (nn.Conv2d, nn.Linear)  # the layers that autocast computes in bf16

Network = TypeVar("Network", bound=nn.Module)


def bits_of(weight: Tensor, bits: int) -> int | None:
    """Return the bits per weight that a tensor gets in a model quantized to `bits` bits.

    Args:
        weight: The tensor, of any shape.
        bits: Bits per weight of the model; 0 for none.

    Returns:
        The bits, or None if the tensor is not quantized (biases, norms, depthwise kernels, small tensors).
    """
    if not bits or weight.dim() < 2 or weight.numel() <= MAX_UNQUANTIZED_WEIGHTS or (weight.dim() == 4 and weight.shape[1] == 1):
        return None
    return bits - 1 if weight.numel() >= LARGE_TENSOR_WEIGHTS else bits


def encode(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Quantize a weight; quantizing the decoded result again gives the same codes.

    Args:
        weight: float, (rows, ...).
        bits: Bits per weight.

    Returns:
        Codes, uint8, of the weight's shape, below 2^bits; and scales, float32 (rows,).
    """
    rows = weight.detach().float().flatten(1)
    scales = rows.square().mean(1).sqrt().clamp(min=MIN_SCALE)
    for _ in range(SCALE_ITERATIONS):
        values = nearest(rows, scales, bits) / scales[:, None]
        scales = ((rows * values).sum(1) / values.square().sum(1)).clamp(min=MIN_SCALE)
    probe, largest = rows[:, :PROBE_WEIGHTS], rows[:, :PROBE_WEIGHTS].abs().amax(1)
    for value in CODEBOOK_HALVES[bits]:
        candidate = (largest / value).clamp(min=MIN_SCALE)
        is_exact = ((nearest(probe, candidate, bits) - probe).abs() <= 1e-4 * candidate[:, None]).all(1)
        scales = torch.where(is_exact, candidate, scales)
    return _codes(rows, scales, bits).view_as(weight), scales


def decode(codes: Tensor, scales: Tensor, bits: int) -> Tensor:
    """Compute weights, float32 (rows, ...), from codes (rows, ...) and scales (rows,)."""
    return codebook(bits).to(codes.device)[codes.long()] * scales.float().view(-1, *[1] * (codes.dim() - 1))


def nearest(rows: Tensor, scales: Tensor, bits: int) -> Tensor:
    """Round weights (rows, columns) to the nearest codebook values times the scales (rows,)."""
    return decode(_codes(rows, scales, bits), scales, bits)


def pack(codes: Tensor, bits: int) -> Tensor:
    """Concatenate the bits of all codes, uint8 (bytes,)."""
    return torch.from_numpy(np.packbits(np.unpackbits(codes.cpu().numpy().reshape(-1, 1), axis=1)[:, 8 - bits :]))


def unpack(packed: Tensor, bits: int, shape: torch.Size) -> Tensor:
    """Undo `pack`.

    Args:
        packed: uint8 (bytes,).
        bits: Bits per code.
        shape: Shape of the codes.

    Returns:
        Codes, uint8, of that shape.

    Raises:
        ValueError: If the number of bytes does not fit the shape.
    """
    if packed.numel() != (shape.numel() * bits + 7) // 8:
        raise ValueError(f"{packed.numel()} bytes cannot hold {shape.numel()} codes of {bits} bits")
    codes = np.unpackbits(packed.cpu().numpy(), count=shape.numel() * bits).reshape(-1, bits)
    return torch.from_numpy(codes @ (1 << np.arange(bits - 1, -1, -1, dtype=np.uint8))).view(shape)


def codebook(bits: int) -> Tensor:
    """Return the 2^bits values of the codebook in ascending order, float32."""
    half = torch.tensor(CODEBOOK_HALVES[bits])
    return torch.cat([-half.flip(0), half])


@contextmanager
def quantized(model: nn.Module, bits: int) -> Iterator[None]:
    """Replace trainable parameters of a model by their quantized values inside the context.

    Gradients are computed at the quantized values and applied to the exact ones (straight-through estimator; Courbariaux et al.,
    "BinaryConnect", NeurIPS 2015).

    Args:
        model: The model, changed in place and restored at the end.
        bits: Bits per weight; 0 changes nothing.
    """
    exact = {}
    for parameter in model.parameters():
        if parameter.requires_grad and (tensor_bits := bits_of(parameter, bits)) is not None:
            exact[parameter] = parameter.data
            values = decode(*encode(parameter.data, tensor_bits), tensor_bits)
            parameter.data = values.contiguous(memory_format=_memory_format(parameter))
    try:
        yield
    finally:
        for parameter, data in exact.items():
            parameter.data = data


def inference_precision(device: str = "cpu") -> torch.autocast:
    """Return a context that computes in bf16 if the hardware supports it, else in float32."""
    return torch.autocast(device, torch.bfloat16, enabled=_has_fast_bf16(device))


def cast_weights(network: Network, device: str = "cpu") -> Network:
    """Store weights in bf16, so that autocast need not cast them in every call.

    This is 5 % faster, with the same output.

    Args:
        network: The network; it is not changed.
        device: "cpu" or "cuda".

    Returns:
        A copy with bf16 weights, or the network itself if there is nothing to cast.
    """
    if not _has_fast_bf16(device) or not any(isinstance(part, AUTOCAST_LAYERS) for part in network.modules()):
        return network
    network = deepcopy(network)
    for part in network.modules():
        if isinstance(part, AUTOCAST_LAYERS):
            part.to(torch.bfloat16)
    return network


def _codes(rows: Tensor, scales: Tensor, bits: int) -> Tensor:
    values = codebook(bits).to(rows.device)
    return torch.bucketize(rows / scales[:, None], (values[1:] + values[:-1]) / 2).to(torch.uint8)


def _memory_format(weight: Tensor) -> torch.memory_format:
    return torch.channels_last if weight.dim() == 4 else torch.contiguous_format


def _has_fast_bf16(device: str) -> bool:
    return device != "cpu" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
