"""Weights of a few bits: each is one of a palette's 2^bits values times the scale of its row.

The palette is the quantiser of least mean square error (Lloyd, 1957; Max, 1960) for Student's distribution with 10 degrees of freedom,
which trained weights resemble more than the normal one; it is the same for all tensors, so that a file holds codes and scales alone.
"""

from __future__ import annotations

from contextlib import contextmanager
from copy import deepcopy
from typing import Iterator, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

HALVES = {  # the positive values, for a root mean square of 1; the negative ones mirror them
    3: (0.2550, 0.7983, 1.4681, 2.5238),
    4: (0.1367, 0.4150, 0.7082, 1.0313, 1.4052, 1.8691, 2.5101, 3.6355),
}
FEW, MANY = 2_000, 300_000  # weights of a tensor: up to FEW it is kept whole, from MANY on it gets a bit less than the others
ROUNDS = 2  # of choosing values for a scale, and a scale for the values
SMALLEST = 1e-8  # scale
SOME = 64  # weights of a row by which one is known whose weights are a palette's values already


def bits_of(weight: Tensor, bits: int) -> int | None:
    """How many bits each weight of a tensor gets in a model of so many; None where it is kept whole (biases, norms, depthwise kernels)."""
    if not bits or weight.dim() < 2 or weight.numel() <= FEW or (weight.dim() == 4 and weight.shape[1] == 1):
        return None
    return bits - 1 if weight.numel() >= MANY else bits


def encode(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Choose the values: codes uint8 of the weight's shape, below 2^bits, and scales float32 (rows,); of decoded ones the same again."""
    rows = weight.detach().float().flatten(1)
    scales = rows.square().mean(1).sqrt().clamp(min=SMALLEST)
    for _ in range(ROUNDS):
        values = nearest(rows, scales, bits) / scales[:, None]
        scales = ((rows * values).sum(1) / values.square().sum(1)).clamp(min=SMALLEST)
    some, largest = rows[:, :SOME], rows[:, :SOME].abs().amax(1)
    for half in HALVES[bits]:
        other = (largest / half).clamp(min=SMALLEST)
        exact = ((nearest(some, other, bits) - some).abs() <= 1e-4 * other[:, None]).all(1)
        scales = torch.where(exact, other, scales)
    return _codes(rows, scales, bits).view_as(weight), scales


def decode(codes: Tensor, scales: Tensor, bits: int) -> Tensor:
    """The weights that codes and scales (rows,) stand for, float32 of the codes' shape."""
    return _palette(bits).to(codes.device)[codes.long()] * scales.float().view(-1, *[1] * (codes.dim() - 1))


def nearest(rows: Tensor, scales: Tensor, bits: int) -> Tensor:
    """Round rows (rows, columns) to the nearest values of the palette times their scales (rows,)."""
    return decode(_codes(rows, scales, bits), scales, bits)


def pack(codes: Tensor, bits: int) -> Tensor:
    """Lay codes bit by bit behind each other, uint8 (bytes,)."""
    return torch.from_numpy(np.packbits(np.unpackbits(codes.cpu().numpy().reshape(-1, 1), axis=1)[:, 8 - bits :]))


def unpack(packed: Tensor, bits: int, shape: torch.Size) -> Tensor:
    """Undo `pack`; ValueError when the packed codes are not as many as the shape has."""
    if packed.numel() != (shape.numel() * bits + 7) // 8:
        raise ValueError(f"{packed.numel()} bytes hold no {shape.numel()} codes of {bits} bits")
    codes = np.unpackbits(packed.cpu().numpy(), count=shape.numel() * bits).reshape(-1, bits)
    return torch.from_numpy(codes @ (1 << np.arange(bits - 1, -1, -1, dtype=np.uint8))).view(shape)


@contextmanager
def quantized(model: nn.Module, bits: int) -> Iterator[None]:
    """Let the parameters of a model that learn be what a file of so many bits would hold of them; 0 changes nothing.

    Gradients meanwhile are taken at the rounded weights and belong to the exact ones (straight-through; BinaryConnect, NeurIPS 2015).
    """
    exact = {}
    for parameter in model.parameters():
        if parameter.requires_grad and (own := bits_of(parameter, bits)) is not None:
            exact[parameter] = parameter.data
            parameter.data = decode(*encode(parameter.data, own), own).contiguous(memory_format=_layout(parameter))
    try:
        yield
    finally:
        for parameter, data in exact.items():
            parameter.data = data


def _codes(rows: Tensor, scales: Tensor, bits: int) -> Tensor:
    palette = _palette(bits).to(rows.device)
    return torch.bucketize(rows / scales[:, None], (palette[1:] + palette[:-1]) / 2).to(torch.uint8)


def _palette(bits: int) -> Tensor:
    half = torch.tensor(HALVES[bits])
    return torch.cat([-half.flip(0), half])


def _layout(weight: Tensor) -> torch.memory_format:
    return torch.channels_last if weight.dim() == 4 else torch.contiguous_format


# MERGED from model.precision: In what numbers a network computes.


ROUNDED = (nn.Conv2d, nn.Linear)  # what autocast computes in bf16
Network = TypeVar("Network", bound=nn.Module)


def precision(device: str = "cpu") -> torch.autocast:
    """bf16 where the processor computes in it, else float32."""
    return torch.autocast(device, torch.bfloat16, enabled=_is_fast(device))


def cast_weights(network: Network, device: str = "cpu") -> Network:
    """Return a network that answers the same under `precision` in a twentieth less time: its weights need not be rounded at each call.

    The network that is given stays as it is; it is returned itself where there is nothing to round.
    """
    if not _is_fast(device) or not any(isinstance(part, ROUNDED) for part in network.modules()):
        return network
    network = deepcopy(network)
    for part in network.modules():
        if isinstance(part, ROUNDED):
            part.to(torch.bfloat16)
    return network


def _is_fast(device: str) -> bool:
    return device != "cpu" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
