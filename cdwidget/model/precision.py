"""In what numbers a network computes."""

from __future__ import annotations

import torch


def precision(device: str = "cpu") -> torch.autocast:
    """bf16 where the processor computes in it, else float32."""
    fast = device != "cpu" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.autocast(device, torch.bfloat16, enabled=fast)
