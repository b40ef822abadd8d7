"""Refinement by back-propagation at inference, on the very network that CDNet's diffusions run on: BRS and f-BRS-B, to compare with.

Where the answer contradicts the clicks, L-BFGS looks for the smallest change that makes it agree: of the click maps (Jang and Kim,
"Interactive image segmentation via backpropagating refinement scheme", CVPR 2019), or of a scale and a bias for each channel behind the
context block, so that only what follows is computed again (Sofiiuk et al., "f-BRS: rethinking backpropagating refinement for
interactive segmentation", CVPR 2020, variant B). The energy of a change d is

    E(d) = mean over positive clicks of (1 - p)^2 + mean over negative clicks of p^2 + REGULARISATION * |d|^2

with p the probability at the pixels of the clicks' disks. The search ends once all of them are on their right side, or after EVALUATIONS.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize
from torch import Tensor, nn

from cdwidget.model.cdnet import CDNet, Output
from cdwidget.model.predictor import PIXEL, CDNetPredictor, View

REGULARISATION = 1e-3
EVALUATIONS = 20  # of the energy and its gradient, each a pass forward and back
MEMORY = 20  # pairs that L-BFGS keeps


class BRS(CDNetPredictor):
    """CDNet's network with its click maps refined at each prompt; each search begins anew, so that answers depend on nothing else."""

    def _forward(self, view: View, maps: Tensor, latent: bool, focus: bool = False) -> Output:
        with torch.inference_mode(False):
            encoded, maps = _differentiable(view, maps)

            def answer(change: Tensor) -> Output:
                return self.model(encoded, torch.cat([maps[:, :2] + change, maps[:, 2:]], 1))

            with torch.no_grad():
                plain = self.model(encoded, maps)
            return refine(plain, answer, maps[:, :2].shape, maps)


class FBRS(CDNetPredictor):
    """CDNet's network with a scale and a bias for each channel behind its context block, refined at each prompt (f-BRS-B)."""

    def _forward(self, view: View, maps: Tensor, latent: bool, focus: bool = False) -> Output:
        with torch.inference_mode(False):
            encoded, maps = _differentiable(view, maps)
            features: dict[str, Tensor | list[Tensor]] = {}
            hooks = [
                part.register_forward_hook(lambda _module, _inputs, found, name=name: features.update({name: found}))
                for name, part in (("backbone", self.model.backbone), ("context", self.model.context))
            ]
            try:
                with torch.no_grad():
                    plain = self.model(encoded, maps)
            finally:
                for hook in hooks:
                    hook.remove()
            context = features["context"]

            def answer(change: Tensor) -> Output:
                scale, bias = change[..., None, None]
                with _standing(self.model, {**features, "context": context * (1 + scale) + bias}):
                    return self.model(encoded, maps)

            return refine(plain, answer, torch.Size((2, self.config.channels)), maps)


def refine(plain: Output, answer: Callable[[Tensor], Output], shape: torch.Size, maps: Tensor) -> Output:
    """Return the answer to the smallest change, of `shape`, by which it agrees with the clicks of maps (1, 3, S, S).

    plain: the output for no change, which is returned when it agrees already. answer: gives the output for a change.
    """
    wanted = F.max_pool2d(maps[:, :2], PIXEL) > 0  # (1, 2, S / PIXEL, S / PIXEL)

    def wrongness(output: Output) -> Tensor:
        prob = F.interpolate(output.logits[:, :1].float(), size=wanted.shape[2:], mode="bilinear").sigmoid()
        return torch.cat([1 - prob, prob], 1) * wanted  # at positive, at negative clicks

    if wrongness(plain).max() <= 0.5:
        return plain
    latest = torch.zeros(shape)

    def energy(flat: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal latest
        latest = torch.from_numpy(flat).to(maps).view(shape).requires_grad_()
        with torch.enable_grad():
            wrong = wrongness(answer(latest))
            if wrong.max() <= 0.5:
                raise _Agreed
            squares = (wrong**2).sum((2, 3)) / wanted.sum((2, 3)).clamp(min=1)
            value = squares.sum() + REGULARISATION * (latest**2).sum()
        (gradient,) = torch.autograd.grad(value, latest)
        return value.item(), gradient.double().cpu().numpy().ravel()

    options = {"maxfun": EVALUATIONS, "maxcor": MEMORY, "ftol": 0.0, "gtol": 1e-8}
    try:
        best = minimize(energy, np.zeros(shape.numel()), jac=True, method="L-BFGS-B", options=options).x
        latest = torch.from_numpy(best).to(maps).view(shape)
    except _Agreed:
        pass
    with torch.no_grad():
        return answer(latest.detach())


class _Agreed(Exception):
    """The answer agrees with every click."""


class _Given(nn.Module):
    """Stands in for a part of the network: its output is known."""

    def __init__(self, output: Tensor | list[Tensor]):
        super().__init__()
        self.output = output

    def forward(self, *_inputs: Tensor) -> Tensor | list[Tensor]:
        return self.output


@contextmanager
def _standing(model: CDNet, outputs: dict[str, Tensor | list[Tensor]]) -> Iterator[None]:
    """Let parts of a model give these outputs instead of computing theirs."""
    own = {name: getattr(model, name) for name in outputs}
    try:
        for name, output in outputs.items():
            setattr(model, name, _Given(output))
        yield
    finally:
        for name, part in own.items():
            setattr(model, name, part)


def _differentiable(view: View, maps: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """The encoded view and the maps as float32 tensors that gradients may flow through; those of inference mode may not."""
    return tuple(level.detach().clone().float() for level in view.encoded), maps.clone()
