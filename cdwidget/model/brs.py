"""BRS and f-BRS-B: refinement by back-propagation at inference, on CDNet's network, to compare CDNet's diffusions with.

If the prediction contradicts the clicks, L-BFGS searches for the smallest change that makes it agree with them: a change of the click maps
(Jang and Kim, "Interactive image segmentation via backpropagating refinement scheme", CVPR 2019), or a scale and a bias per channel after
the context block, so that only the layers after it are computed again (Sofiiuk et al., "f-BRS: rethinking backpropagating refinement for
interactive segmentation", CVPR 2020, variant B). The energy of a change d is

    E(d) = mean over positive clicks of (1 - p)^2 + mean over negative clicks of p^2 + REGULARIZATION * |d|^2

with p the probability at the pixels of the clicks' disks. The search ends when all of them are on the right side of 0.5, or after
MAX_EVALUATIONS.
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
from cdwidget.model.predictor import CDNetPredictor
from cdwidget.model.view import PDM_CELL_PX, View

REGULARIZATION = 1e-3
MAX_EVALUATIONS = 20  # evaluations of the energy and its gradient
LBFGS_MEMORY = 20  # correction pairs


class BRS(CDNetPredictor):
    """Predictor that refines the click maps for each prompt (BRS).

    Each search starts from zero, so a prediction does not depend on earlier ones.
    """

    def _forward(self, view: View, maps: Tensor, latent: bool) -> Output:
        with torch.inference_mode(False):
            encoded, maps = _differentiable(view, maps)

            def predict(change: Tensor) -> Output:
                return self.model(encoded, torch.cat([maps[:, :2] + change, maps[:, 2:]], 1))

            with torch.no_grad():
                plain = self.model(encoded, maps)
            return minimize_click_error(plain, predict, maps[:, :2].shape, maps)


class FBRS(CDNetPredictor):
    """Predictor that refines a scale and a bias per channel for each prompt (f-BRS-B)."""

    def _forward(self, view: View, maps: Tensor, latent: bool) -> Output:
        with torch.inference_mode(False):
            encoded, maps = _differentiable(view, maps)
            features: dict[str, Tensor | list[Tensor]] = {}
            hooks = [
                part.register_forward_hook(lambda _module, _inputs, output, name=name: features.update({name: output}))
                for name, part in (("backbone", self.model.backbone), ("context", self.model.context))
            ]
            try:
                with torch.no_grad():
                    plain = self.model(encoded, maps)
            finally:
                for hook in hooks:
                    hook.remove()
            context = features["context"]

            def predict(change: Tensor) -> Output:
                scale, bias = change[..., None, None]
                with _replaced_outputs(self.model, {**features, "context": context * (1 + scale) + bias}):
                    return self.model(encoded, maps)

            return minimize_click_error(plain, predict, torch.Size((2, self.config.channels)), maps)


def minimize_click_error(plain: Output, predict: Callable[[Tensor], Output], shape: torch.Size, maps: Tensor) -> Output:
    """Search for the smallest change that makes the prediction agree with the clicks.

    Args:
        plain: Output without a change; returned if it agrees already.
        predict: Returns the output for a change.
        shape: Shape of a change.
        maps: Prompt maps (1, 3, S, S).

    Returns:
        The output for the best change.
    """
    clicked = F.max_pool2d(maps[:, :2], PDM_CELL_PX) > 0  # (1, 2, S / PDM_CELL_PX, S / PDM_CELL_PX)

    def click_error(output: Output) -> Tensor:
        prob = F.interpolate(output.logits[:, :1].float(), size=clicked.shape[2:], mode="bilinear").sigmoid()
        return torch.cat([1 - prob, prob], 1) * clicked  # at positive and at negative clicks

    if click_error(plain).max() <= 0.5:
        return plain
    latest = torch.zeros(shape)

    def energy(flat: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal latest
        latest = torch.from_numpy(flat).to(maps).view(shape).requires_grad_()
        with torch.enable_grad():
            error = click_error(predict(latest))
            if error.max() <= 0.5:
                raise _ClicksSatisfied
            squares = (error**2).sum((2, 3)) / clicked.sum((2, 3)).clamp(min=1)
            value = squares.sum() + REGULARIZATION * (latest**2).sum()
        (gradient,) = torch.autograd.grad(value, latest)
        return value.item(), gradient.double().cpu().numpy().ravel()

    options = {"maxfun": MAX_EVALUATIONS, "maxcor": LBFGS_MEMORY, "ftol": 0.0, "gtol": 1e-8}
    try:
        best = minimize(energy, np.zeros(shape.numel()), jac=True, method="L-BFGS-B", options=options).x
        latest = torch.from_numpy(best).to(maps).view(shape)
    except _ClicksSatisfied:
        pass
    with torch.no_grad():
        return predict(latest.detach())


class _ClicksSatisfied(Exception):
    """The prediction agrees with every click, so the search can end."""


class _FixedOutput(nn.Module):
    """Replaces a part of the network by its known output."""

    def __init__(self, output: Tensor | list[Tensor]):
        super().__init__()
        self.output = output

    def forward(self, *_inputs: Tensor) -> Tensor | list[Tensor]:
        return self.output


@contextmanager
def _replaced_outputs(model: CDNet, outputs: dict[str, Tensor | list[Tensor]]) -> Iterator[None]:
    """Replace parts of a model, by name, by their known outputs inside the context."""
    originals = {name: getattr(model, name) for name in outputs}
    try:
        for name, output in outputs.items():
            setattr(model, name, _FixedOutput(output))
        yield
    finally:
        for name, part in originals.items():
            setattr(model, name, part)


def _differentiable(view: View, maps: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """Return the encoded view and the maps as float32 tensors that allow gradients, unlike inference tensors."""
    return tuple(level.detach().clone().float() for level in view.encoded), maps.clone()
