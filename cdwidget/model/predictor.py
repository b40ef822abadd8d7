"""CDNet as a predictor: the image is encoded once, each prompt costs the head, small objects are looked at in a crop of their own."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple, Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cdwidget.model import pdm
from cdwidget.model.cdnet import CDNet, Output
from cdwidget.model.click_maps import click_maps
from cdwidget.model.focus import FOCUS, Focus, Rectangle, focus_box
from cdwidget.model.precision import precision, rounded
from cdwidget.predictor import Factors, FocusFactors, Prediction
from cdwidget.prompts import Box, Click, Prompt, check_prompt

SMALLEST_IMAGE = 16  # pixels a side
EXPANSION = 2.0  # of the object's box when zooming in; on held-out images 2.0 needs fewer clicks than the published 1.4
SMALL = 0.6  # the crop's larger side, as a share of the image's, up to which zooming in pays
SNAP = 8  # crops begin and end at multiples of an eighth of their size, so that a few more pixels mean the same crop
PIXEL = 2  # side, in pixels of the view, of what pixel diffusion takes for one; twice as fine costs four times as much and gains nothing
KEPT_VIEWS = 4  # encoded views that are kept; one takes 4 MB
CHANGED = 0.03  # of the object's pixels; an answer that changes more than this of the prior is looked at again


class CDNetPredictor:
    """A CDNet that answers prompts on one image at a time; see `cdwidget.load_predictor`.

    An answer depends on the image, the prompts and the prior alone, and is the same every time. zoom_in: look at an object that is small in
    the image in a crop of its own, `expansion` times as large as the object's box. pdm_steps: rounds of pixel diffusion, by default what
    the model's configuration says; reclamp: set its seeds again each round. flip: average the logits with those of the mirrored view.
    previous_mask: show the network the prior; without it the prior says only where to look. cascade: show the network its own answer as the
    prior once more where the answer changes much: cascade-forward refinement (Sun et al., "CFR-ICL", AAAI 2024); not for a bool prior, a
    mask that somebody gives, which would be forgotten so: held out, editing would take 0.3 clicks more.
    """

    def __init__(
        self, model: CDNet, device: str = "cpu", zoom_in: bool = True, pdm_steps: int | None = None, *,
        expansion: float = EXPANSION, reclamp: bool = False, flip: bool = False, previous_mask: bool = True, cascade: bool = True,
        focus: Focus | None = FOCUS,
    ):  # fmt: skip
        self.model = model.eval().to(device=device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # What is asked; changes of `model` from here on are not seen where weights are rounded.
        self._network = rounded(self.model, torch.device(device).type)
        self.config = model.config
        self.zoom_in = zoom_in
        self.pdm_steps = model.config.pdm_steps if pdm_steps is None else pdm_steps
        self.expansion, self.reclamp, self.flip, self.previous_mask = expansion, reclamp, flip, previous_mask
        self.cascade = cascade and previous_mask
        self.focus = focus if previous_mask else None
        if self.focus is not None:  # a graph of fixed size knows one size alone
            view_px = model.config.size if model.fixed_size else min(self.focus.view_px, model.config.size)
            self.focus = replace(self.focus, view_px=view_px)
        self._device = torch.device(device)
        self._image: np.ndarray | None = None
        self._views: OrderedDict[tuple[int, ...], View] = OrderedDict()

    def twin(self) -> CDNetPredictor:
        """Return another predictor of the same model, which holds an image of its own: the weights are in memory once."""
        twin = copy(self)
        twin._image, twin._views = None, OrderedDict()
        return twin

    @torch.inference_mode()
    def set_image(self, image: np.ndarray) -> None:
        """Take an image and encode it.

        image: uint8 (H, W, 3) RGB, at least 16x16. Raises ValueError for anything else; the image before stays.
        """
        _check_image(image)
        self._image = image
        self._views.clear()
        self._view((0, 0, image.shape[1], image.shape[0]), self.config.size)

    @torch.inference_mode()
    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        """Answer all prompts given so far.

        prompts: at least one, in image pixels. prior: the previous mask, (H, W), bool when somebody gives it to be edited, float in [0, 1]
        when it is what a model said; None or all 0 for none.
        Raises ValueError before `set_image`, without prompts, for a prompt outside the image or a prior of another size.
        """
        if self._image is None:
            raise ValueError("there is no image yet; call set_image first")
        if not prompts:
            raise ValueError("there are no prompts; give at least one Click, Stroke or Box")
        height, width = self._image.shape[:2]
        for prompt in prompts:
            check_prompt(prompt, width, height)
        if prior is not None and prior.shape != (height, width):
            raise ValueError(f"the prior is {prior.shape} but the image {(height, width)} (rows, columns); they must agree")
        cascade = self.cascade and (prior is None or prior.dtype != bool)
        if prior is not None:
            prior = np.asarray(prior, np.float32)
            if not (prior > 0.5).any():
                prior = None
        before = prior
        whole = (0, 0, width, height)
        crop, outside = self._crop(prior, prompts), prior
        if crop == whole:
            look = self._look(whole, prompts, prior, None)
            crop = self._crop(look.prob, prompts)
            if crop != whole:
                outside = np.zeros((height, width), np.float32) if prior is None else prior
                prior = look.prob if prior is None else prior
        x0, y0, x1, y1 = crop
        if crop != whole:
            look = self._look(crop, prompts, None if prior is None else prior[y0:y1, x0:x1], outside)
        first = look  # whose latent heads differ; shown one answer as the prior, all of them agree with it
        if cascade and _changes_much(prior, look.prob):
            look = self._look(crop, prompts, look.fine, look.outside, latent=False)
        focused = self._focused(look, before, prompts)
        return self._prediction(look, first, focused)

    @torch.inference_mode()
    def embed(self, image: np.ndarray) -> np.ndarray:
        """Return what the encoder makes of a whole image as one vector, float32 (D,) of length 1: alike images have near vectors.

        Of each level of features, their mean and deviation over the image and their mean over its middle, each of length 1. `set_image`'s
        image stays. Raises ValueError for what `set_image` does not take, and where the model sees prompts from its stem on.
        """
        _check_image(image)
        if not self.model.late:
            raise ValueError(f"the backbone {self.config.backbone!r} sees prompts from its stem on: it has no features of an image alone")
        parts = []
        for level in View(image, (0, 0, image.shape[1], image.shape[0]), self._network, self._device, precision(self._device.type)).encoded:
            features = level[0].float()  # (C, h, w)
            quarter = features.shape[1] // 4
            middle = features[:, quarter:-quarter, quarter:-quarter]
            parts += [features.mean((1, 2)), features.std((1, 2)), middle.mean((1, 2))]
        return F.normalize(torch.cat([F.normalize(part, dim=0) for part in parts]), dim=0).cpu().numpy()

    def _crop(self, prior: np.ndarray | None, prompts: Sequence[Prompt]) -> Rectangle:
        """Where to look: round the previous object and the prompts that belong to it, or the whole image when those are not small in it."""
        assert self._image is not None
        height, width = self._image.shape[:2]
        whole = (0, 0, width, height)
        if not self.zoom_in:
            return whole
        boxes = [(p.x0, p.y0, p.x1, p.y1) for p in prompts if isinstance(p, Box)]
        if prior is not None and (found := cv2.boundingRect((prior > 0.5).view(np.uint8)))[2]:
            boxes.append((found[0], found[1], found[0] + found[2], found[1] + found[3]))
        if not boxes:
            return whole
        boxes += [(p.x, p.y, p.x + 1, p.y + 1) for p in prompts if isinstance(p, Click) and p.positive]
        x0, y0 = min(b[0] for b in boxes), min(b[1] for b in boxes)
        x1, y1 = max(b[2] for b in boxes), max(b[3] for b in boxes)
        w, h = self.expansion * (x1 - x0), self.expansion * (y1 - y0)
        w, h = max(w, h / 2, SMALLEST_IMAGE), max(h, w / 2, SMALLEST_IMAGE)  # not too far from a square
        left, right = _snapped((x0 + x1 - w) / 2, (x0 + x1 + w) / 2, w / SNAP, width)
        top, bottom = _snapped((y0 + y1 - h) / 2, (y0 + y1 + h) / 2, h / SNAP, height)
        small = max((right - left) / width, (bottom - top) / height) <= SMALL
        return (left, top, right, bottom) if small else whole

    def _focused(self, look: Look, before: np.ndarray | None, prompts: Sequence[Prompt]) -> Look | None:
        """Predict once more in the focus view of the newest prompt; None where there is none.

        look: the answer so far, whose probability is the prior of the focus view and stays outside it. before: float32 (H, W), the mask
        before the newest prompt, or None.
        """
        if self.focus is None or before is None:
            return None
        x0, y0, x1, y1 = look.view.box
        scale = self.config.size / max(x1 - x0, y1 - y0)
        box = focus_box(before > 0.5, look.prob > 0.5, prompts[-1], self.focus, scale)
        if box is None:
            return None
        x0, y0, x1, y1 = box
        return self._look(box, prompts, look.prob[y0:y1, x0:x1], look.prob, latent=False, focus_px=self.focus.view_px)

    def _view(self, box: Rectangle, size: int) -> View:
        """The encoded view of a rectangle of the image, from the few that are kept."""
        key = (*box, size)
        if key not in self._views:
            assert self._image is not None
            self._views[key] = View(self._image, box, self._network, self._device, precision(self._device.type), self.flip, size)
            while len(self._views) > KEPT_VIEWS:
                self._views.popitem(last=False)
        self._views.move_to_end(key)
        return self._views[key]

    def _look(
        self, box: Rectangle, prompts: Sequence[Prompt], prior: np.ndarray | None, outside: np.ndarray | None, latent: bool = True,
        focus_px: int = 0,
    ) -> Look:  # fmt: skip
        """Ask the network about one view, showing it the view's part of a prior, float32 of any size; outside keeps its probability.

        latent: whether to ask the latent heads too, which takes a seventh of the time. focus_px: side of a focus view in pixels, 0 for an
        ordinary view.
        """
        assert self._image is not None
        size = focus_px or self.config.size
        view = self._view(box, size)
        maps = np.zeros((3, size, size), np.float32)
        maps[:2] = click_maps(prompts, box, size, self.config.click_radius)
        if prior is not None and self.previous_mask:
            maps[2] = cv2.resize(prior, (size, size), interpolation=cv2.INTER_AREA if prior.size > size**2 else cv2.INTER_LINEAR)
        output = self._forward(view, torch.from_numpy(maps)[None].to(self._device), latent, focus_px > 0)
        fine = self._refined(view, output.logits[0, 0].float(), maps)
        return Look(view, maps, output, fine, view.to_image(fine, outside), outside)

    def _prediction(self, look: Look, first: Look, focused: Look | None) -> Prediction:
        """All that a look says, but for its latent heads: they are those of the first look at the same view."""
        logits = torch.cat([look.output.logits[0, :1], first.output.logits[0, 1:]]).float()
        heads, quality = logits[1:], first.output.quality
        best_first = _best_first(heads, None if quality is None else quality[0, 1:])
        alternatives = Readings([head.sigmoid().cpu().numpy() for head in best_first], first.view, first.outside)
        prob = look.prob if focused is None else focused.prob
        return Prediction(prob > 0.5, prob, alternatives, self._factors(look, logits, focused))

    def _forward(self, view: View, maps: Tensor, latent: bool, focus: bool = False) -> Output:
        """Ask the network: maps (1, 3, size, size). focus: in a focus view."""
        with precision(self._device.type):
            if focus:
                return self._network.predict_focus(view.encoded, maps, view.image)
            output = self._network(view.encoded, maps, latent)
            if not self.flip:
                return output
            mirrored = self._network(view.mirrored, maps.flip(-1), latent).logits.flip(-1)
        return output._replace(logits=(output.logits + mirrored) / 2)

    def _refined(self, view: View, logits: Tensor, maps: np.ndarray) -> np.ndarray:
        """Upsample the logits and let them flow over the view's pixels: probability, float32 (size / PIXEL, size / PIXEL)."""
        fine = F.interpolate(logits[None, None], size=len(maps[0]) // PIXEL, mode="bilinear")[0, 0]
        if not self.pdm_steps:
            return fine.sigmoid().cpu().numpy()
        signed = pdm.diffuse(fine, _seeds(maps).to(fine.device), view.affinity, self.pdm_steps, self.reclamp)
        return (signed.clamp(-2, 2) / 4 + 0.5).cpu().numpy()

    def _factors(self, look: Look, logits: Tensor, focused: Look | None) -> Factors | None:
        view, output, f = look.view, look.output, look.output.factors
        if f is None:
            return None

        def array(tensor: Tensor) -> np.ndarray:
            return tensor[0].float().cpu().numpy()

        return Factors(
            box=view.box,
            grid=f.grid,
            q=array(f.q),
            k=array(f.k),
            v=array(f.v),
            clicks=array(f.clicks),
            source=array(f.source),
            destination=array(f.destination),
            gate=array(output.gate.float().sigmoid())[0],
            variant=f.variant,
            features=array(f.features.flatten(2).transpose(1, 2)),
            added=np.stack([array(part.flatten(2).transpose(1, 2)) for part in f.added]),
            logits=logits.cpu().numpy(),
            pixels=view.pixels,
            seeds=_seeds(look.maps).numpy(),
            pdm_steps=self.pdm_steps,
            focus=None if focused is None else _focus_factors(focused),
        )


class View:
    """A rectangle of the image as the network sees it: a square, encoded; with `flip` mirrored as well."""

    def __init__(
        self, image: np.ndarray, box: Rectangle, model: CDNet, device: torch.device, precision: AbstractContextManager, flip: bool = False,
        size: int | None = None,
    ):  # fmt: skip
        x0, y0, x1, y1 = box
        size = size or model.config.size
        shrinks = (x1 - x0) * (y1 - y0) > size**2
        pixels = cv2.resize(image[y0:y1, x0:x1], (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        self.box, self.pixels = box, pixels
        self.image = torch.from_numpy(pixels).to(device).permute(2, 0, 1)[None].float().div_(255)
        with precision:
            self.encoded = model.encode(self.image.contiguous(memory_format=torch.channels_last))
            self.mirrored = model.encode(self.image.flip(-1)) if flip else ()

    def to_image(self, values: np.ndarray, outside: np.ndarray | None) -> np.ndarray:
        """Scale float32 (h, w) to where the view lies in the image, `outside` (H, W) round it; None where it is all of the image."""
        x0, y0, x1, y1 = self.box
        inner = cv2.resize(values, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        if outside is None:
            return inner
        full = outside.copy()
        full[y0:y1, x0:x1] = inner
        return full

    @cached_property
    def affinity(self) -> pdm.Affinity:
        """Which of its pixels look alike, for a predictor that lets pixels diffuse."""
        return pdm.Affinity(F.avg_pool2d(self.image, PIXEL)[0])


class Look(NamedTuple):
    """What the network said of a view for maps (3, size, size). fine: float32, the view's probability; prob: (H, W), the image's, with
    `outside` round the view."""

    view: View
    maps: np.ndarray
    output: Output
    fine: np.ndarray
    prob: np.ndarray
    outside: np.ndarray | None


class Readings(Sequence[np.ndarray]):
    """The masks, bool (H, W), of probabilities float32 (h, w) of a view, scaled to the image when asked for: few are ever looked at."""

    def __init__(self, probs: list[np.ndarray], view: View, outside: np.ndarray | None):
        self._probs, self._view, self._outside = probs, view, outside

    def __len__(self) -> int:
        return len(self._probs)

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return tuple(self)[number]
        return self._view.to_image(self._probs[number], self._outside) > 0.5


def _focus_factors(look: Look) -> FocusFactors:
    return FocusFactors(look.view.box, look.view.pixels, look.maps[2], look.output.logits[0, 0].float().cpu().numpy())


def _seeds(maps: np.ndarray) -> Tensor:
    """Of click maps, where pixel diffusion starts: 1 at positive and -1 at negative clicks, (size / PIXEL, size / PIXEL)."""
    clicks = np.maximum.reduce([maps[:2, i::PIXEL, j::PIXEL] for i in range(PIXEL) for j in range(PIXEL)])
    return torch.from_numpy(clicks[0] - clicks[1])


def _changes_much(prior: np.ndarray | None, prob: np.ndarray) -> bool:
    """Say whether an answer changes more than a few of the object's pixels, the larger of the two."""
    mask = prob > 0.5
    if prior is None:
        return bool(mask.any())
    before = prior > 0.5
    return bool(np.count_nonzero(mask ^ before) > CHANGED * max(np.count_nonzero(mask), np.count_nonzero(before)))


def _check_image(image: np.ndarray) -> None:
    if not (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3):
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(
            f"the image is {got}; a uint8 (H, W, 3) RGB array is needed: cdwidget.read_image makes one of files and other arrays"
        )
    if min(image.shape[:2]) < SMALLEST_IMAGE:
        raise ValueError(f"the image is {image.shape[1]}x{image.shape[0]} pixels; at least {SMALLEST_IMAGE}x{SMALLEST_IMAGE} are needed")


def _snapped(low: float, high: float, unit: float, limit: int) -> tuple[int, int]:
    """Widen an interval to multiples of `unit`, within 0..limit."""
    return max(0, int(np.floor(low / unit) * unit)), min(limit, int(np.ceil(np.ceil(high / unit) * unit)))


def _best_first(heads: Tensor, quality: Tensor | None) -> list[Tensor]:
    """Latent heads (n, h, w) by their predicted IoU, (n,), or where the model predicts none, the most decided ones first."""
    scores = (2 * heads.sigmoid() - 1).abs().mean((1, 2)) if quality is None else quality
    return [heads[i] for i in scores.argsort(descending=True, stable=True).tolist()]
