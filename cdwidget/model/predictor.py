"""CDNet as a predictor: encodes the image once, runs the head for every prompt, and zooms in on small objects."""

from __future__ import annotations

from copy import copy
from typing import NamedTuple, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cdwidget.masks import Bbox
from cdwidget.model import pdm
from cdwidget.model.cdnet import CDNet, Output
from cdwidget.model.focus import FOCUS, Focus, focus_box
from cdwidget.model.granularity import granularity_view
from cdwidget.model.matching import CDNetTokens
from cdwidget.model.prompt_maps import prompt_maps
from cdwidget.model.quantization import cast_weights, inference_precision
from cdwidget.model.view import PDM_CELL_PX, LazyMasks, View, ViewCache, crop_around_object, resize_to_square
from cdwidget.model.windows import predict_windows
from cdwidget.predictor import GRANULARITIES, Factors, FocusFactors, Prediction, ViewMasks
from cdwidget.prompts import Prompt, check_prompt

MIN_IMAGE_SIDE_PX = 16
CROP_EXPANSION = 2.0  # side of a crop relative to the object's box; 2.0 needs fewer clicks on held-out images than the published 1.4
BATCH_OBJECTS = 8  # objects per forward pass of `predict_each`
MIN_CASCADE_CHANGE = 0.03  # A second pass may run if the first one changes more than this fraction of the object's pixels.


class CDNetPredictor:
    """A CDNet that predicts masks in one image at a time; see `cdwidget.load_predictor`.

    A prediction depends only on the image, the prompts and the prior, and is deterministic.

    Args:
        model: The network.
        device: "cpu", "cuda", ...
        zoom_in: Predict an object that is small in the image in a crop around it.
        pdm_steps: Iterations of pixel diffusion (PDM); None for the number in the model's configuration.
        expansion: Side of the crop relative to the object's bounding box.
        reclamp: Reset the seeds of PDM to the clicks in every iteration.
        flip: Average the logits with the logits of the mirrored view.
        previous_mask: Feed the prior back to the network; without it, the prior only decides where to zoom in.
        cascade: If the first pass changes much and there is no focus view, run a second pass with the first prediction as the prior:
            cascade-forward refinement (Sun et al., "CFR-ICL", AAAI 2024). Skipped for hard (bool) priors: a second pass would forget the
            user's mask, and editing would take 0.3 clicks more on held-out images.
        focus: Predict the change of a corrective click or stroke once more in a closer view; None for no such view. It needs the previous
            mask. Skipped for hard priors, like the second pass: editing would take 0.2 clicks more on held-out images.
        granularities: Granularities whose masks a session offers as suggestions, see `GranularPredictor`.
    """

    def __init__(
        self, model: CDNet, device: str = "cpu", zoom_in: bool = True, pdm_steps: int | None = None, *,
        expansion: float = CROP_EXPANSION, reclamp: bool = False, flip: bool = False, previous_mask: bool = True, cascade: bool = True,
        focus: Focus | None = FOCUS, granularities: Sequence[float] = GRANULARITIES,
    ):  # fmt: skip
        self.model = model.eval().to(device=device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network = cast_weights(self.model, torch.device(device).type)  # A copy: later changes of `model` may not affect it.
        self.config = model.config
        self.zoom_in = zoom_in
        self.pdm_steps = model.config.pdm_steps if pdm_steps is None else pdm_steps
        self.expansion, self.reclamp, self.flip, self.previous_mask = expansion, reclamp, flip, previous_mask
        self.cascade = cascade and previous_mask
        self.granularities = granularities
        self._device = torch.device(device)
        self._views = ViewCache(self._network.encode, self.config.size, self._device, flip)
        self.focus = focus if previous_mask else None
        focus_size = self.config.size if model.has_fixed_size or focus is None else min(focus.size, self.config.size)
        self._focus_views = ViewCache(self._network.encode, focus_size, self._device, flip)

    def twin(self) -> CDNetPredictor:
        """Return a predictor with the same weights in memory and no image."""
        twin = copy(self)
        twin._views, twin._focus_views = self._views.empty_copy(), self._focus_views.empty_copy()
        return twin

    @torch.inference_mode()
    def set_image(self, image: np.ndarray) -> None:
        """Set the image and encode it.

        Args:
            image: uint8 (H, W, 3) RGB, at least 16x16 pixels.

        Raises:
            ValueError: If the image is anything else; the previous image is kept.
        """
        _check_image(image)
        self._views.set_image(image)
        self._focus_views.set_image(image)
        self._views.view((0, 0, image.shape[1], image.shape[0]))

    @torch.inference_mode()
    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None, granularity: float | None = None) -> Prediction:
        """Predict the mask for all prompts given so far.

        Args:
            prompts: At least one prompt, in image pixels.
            prior: Previous mask, (H, W): bool if a person has edited it, float in [0, 1] if only a model has drawn it; None for none.
            granularity: From 0, a part, to 1, the whole, see `granularity_view`; None lets the model choose.

        Returns:
            The predicted mask with its alternatives.

        Raises:
            ValueError: If there is no image or no prompt, a prompt lies outside the image, the prior has another size, or the granularity
                is not in [0, 1].

        Example:
            >>> predictor.set_image(image)
            >>> prediction = predictor.predict([Click(120, 88)])
            >>> prediction = predictor.predict([Click(120, 88), Click(30, 40, positive=False)], prediction.prob)
            >>> part = predictor.predict([Click(120, 88)], granularity=0.25)
        """
        height, width = self._check_request(prompts, prior)
        is_soft = prior is None or prior.dtype != bool
        if prior is not None:
            prior = np.asarray(prior, np.float32)
            if not (prior > 0.5).any():
                prior = None
        if granularity is not None:
            return self._predict_at(granularity, prompts, prior, is_soft)
        before = prior
        whole = (0, 0, width, height)
        crop, outside = self._crop(prior, prompts), prior
        if crop == whole:
            result = self._run(whole, prompts, prior, None)
            crop = self._crop(result.prob, prompts)
            if crop != whole:
                outside = np.zeros((height, width), np.float32) if prior is None else prior
                prior = result.prob if prior is None else prior
        x0, y0, x1, y1 = crop
        if crop != whole:
            result = self._run(crop, prompts, None if prior is None else prior[y0:y1, x0:x1], outside)
        first = result  # Alternatives come from the first pass: with a prediction as the prior, all heads agree with it.
        focused = self._focus_on_change(before, result, prompts) if is_soft else None
        if focused is None and self.cascade and is_soft and _changes_much(prior, result.prob):
            result = self._run(crop, prompts, result.view_prob, result.outside, latent=False)
            focused = self._focus_on_change(before, result, prompts)
        return self._prediction(result, first, focused)

    def _predict_at(self, granularity: float, prompts: Sequence[Prompt], prior: np.ndarray | None, is_soft: bool) -> Prediction:
        """Predict in the view of a granularity; around it, the prior stays."""
        assert self._views.image is not None
        size = self._views.image.shape[:2]
        x0, y0, x1, y1 = box = granularity_view(size, prompts, granularity)
        outside = np.zeros(size, np.float32) if prior is None else prior
        first = result = self._run(box, prompts, None if prior is None else prior[y0:y1, x0:x1], outside)
        if self.cascade and is_soft and _changes_much(prior, result.prob):
            result = self._run(box, prompts, result.view_prob, outside, latent=False)
        return self._prediction(result, first, None)

    @torch.inference_mode()
    def embed(self, image: np.ndarray) -> np.ndarray:
        """Compute the embedding of a whole image; similar images have close embeddings.

        For each encoder level, it holds the mean and the standard deviation over the image and the mean over the center, each normalized.
        The current image is kept.

        Args:
            image: uint8 (H, W, 3) RGB.

        Returns:
            float32 (D,), of length 1.

        Raises:
            ValueError: If the image is anything else, or the network fuses prompts early, so that features of the image alone do not exist.
        """
        _check_image(image)
        self._check_late_fusion()
        parts = []
        for level in self._views.encode(image, (0, 0, image.shape[1], image.shape[0])).encoded:
            features = level[0].float()  # (C, h, w)
            quarter = features.shape[1] // 4
            center = features[:, quarter:-quarter, quarter:-quarter]
            parts += [features.mean((1, 2)), features.std((1, 2)), center.mean((1, 2))]
        return F.normalize(torch.cat([F.normalize(part, dim=0) for part in parts]), dim=0).cpu().numpy()

    @torch.inference_mode()
    def tokens(self, box: Bbox) -> CDNetTokens:
        """Return the encoder's features of a view of the current image.

        The view stays in the cache, so that a prediction in it need not encode it again.

        Args:
            box: The view (x0, y0, x1, y1), half-open, in image pixels.

        Raises:
            ValueError: If there is no image, or the network fuses prompts early, so that features of the image alone do not exist.
        """
        if self._views.image is None:
            raise ValueError("there is no image yet; call set_image first")
        self._check_late_fusion()
        *finer, features = (level[0].float().permute(1, 2, 0).cpu().numpy() for level in self._views.view(box).encoded)
        return CDNetTokens(features, box, finer)

    @torch.inference_mode()
    def predict_each(
        self, box: Bbox, prompts: Sequence[Sequence[Prompt]], priors: Sequence[np.ndarray] = (), window: float = 1.0
    ) -> ViewMasks:  # fmt: skip
        """Predict several objects in one view of the current image.

        The view is encoded once for all of them, and there is no second pass.

        Args:
            box: The view (x0, y0, x1, y1), half-open, in image pixels.
            prompts: The prompts of each object, at least one object.
            priors: The previous mask of each object in the view, float32 (h, w) in [0, 1]; empty for none.
            window: Side of the part of the view in which an object is predicted, relative to the view's. It lies around the positive
                prompts; outside of it, the probability is 0. A small window takes less time.

        Raises:
            ValueError: If there is no image.
        """
        if self._views.image is None:
            raise ValueError("there is no image yet; call set_image first")
        view, found = self._views.view(box), []
        count = 1 if self.model.has_fixed_size else BATCH_OBJECTS
        for start in range(0, len(prompts), count):
            maps = np.zeros((len(prompts[start : start + count]), 3, self._views.size, self._views.size), np.float32)
            for i, one in enumerate(maps, start):
                one[:2] = prompt_maps(prompts[i], box, self._views.size, self.config.click_radius)
                if len(priors) and self.previous_mask:
                    one[2] = resize_to_square(priors[i], self._views.size)
            found.append(predict_windows(self._network, view, maps, 1.0 if self.model.has_fixed_size else window))
        return ViewMasks(box, *(np.concatenate(parts) for parts in zip(*found)))

    def _check_late_fusion(self) -> None:
        if not self.model.late:
            raise ValueError(f"the backbone {self.config.backbone!r} mixes prompts into its first layer, so it cannot embed images alone")

    def _check_request(self, prompts: Sequence[Prompt], prior: np.ndarray | None) -> tuple[int, int]:
        """Return the height and width of the image; raise ValueError for an invalid request."""
        if self._views.image is None:
            raise ValueError("there is no image yet; call set_image first")
        if not prompts:
            raise ValueError("there are no prompts; give at least one Click, Stroke or Box")
        height, width = self._views.image.shape[:2]
        for prompt in prompts:
            check_prompt(prompt, width, height)
        if prior is not None and prior.shape != (height, width):
            raise ValueError(f"the prior is {prior.shape} but the image {(height, width)} (rows, columns); they must agree")
        return height, width

    def _crop(self, prior: np.ndarray | None, prompts: Sequence[Prompt]) -> Bbox:
        assert self._views.image is not None
        height, width = self._views.image.shape[:2]
        return crop_around_object((height, width), prior, prompts, self.expansion) if self.zoom_in else (0, 0, width, height)

    def _focus_on_change(self, before: np.ndarray | None, result: ForwardPass, prompts: Sequence[Prompt]) -> ForwardPass | None:
        """Predict the change of the newest prompt once more in its focus view; None if it has none.

        Args:
            before: Probabilities before the newest prompt, float32 (H, W); None if there was no mask.
            result: The prediction for all prompts, the prior of the focus view; outside of the view it stays.
            prompts: The prompts, oldest first.
        """
        if self.focus is None or before is None:
            return None
        x0, y0, x1, y1 = result.view.box
        scale = self._views.size / max(x1 - x0, y1 - y0)
        box = focus_box(before > 0.5, result.prob > 0.5, prompts[-1], self.focus, self._focus_views.size, scale)
        if box is None:
            return None
        x0, y0, x1, y1 = box
        return self._run(box, prompts, result.prob[y0:y1, x0:x1], result.prob, latent=False, views=self._focus_views)

    def _run(
        self, box: Bbox, prompts: Sequence[Prompt], prior: np.ndarray | None, outside: np.ndarray | None, latent: bool = True,
        views: ViewCache | None = None,
    ) -> ForwardPass:  # fmt: skip
        """Run the network on one view.

        Args:
            box: The rectangle of the view.
            prompts: The prompts.
            prior: Previous probabilities in the view, float32 (h, w), or None.
            outside: Probabilities around the view, float32 (H, W), or None.
            latent: Whether to run the latent heads, which take 1/7 of the time.
            views: The cache of the view; None for the cache of usual views.
        """
        views = views or self._views
        view, size = views.view(box), views.size
        maps = np.zeros((3, size, size), np.float32)
        maps[:2] = prompt_maps(prompts, box, size, self.config.click_radius)
        if prior is not None and self.previous_mask:
            maps[2] = resize_to_square(prior, size)
        output = self._forward(view, torch.from_numpy(maps)[None].to(self._device), latent)
        pdm_steps = self.pdm_steps if views is self._views or self.focus is None else self.focus.pdm_steps
        view_prob = self._upsample(view, output.logits[0, 0].float(), maps, pdm_steps)
        return ForwardPass(view, maps, output, view_prob, view.to_image(view_prob, outside), outside)

    def _forward(self, view: View, maps: Tensor, latent: bool) -> Output:
        """Run the network on prompt maps (1, 3, S, S)."""
        with inference_precision(self._device.type):
            output = self._network(view.encoded, maps, latent)
            if not self.flip:
                return output
            mirrored = self._network(view.mirrored, maps.flip(-1), latent).logits.flip(-1)
        return output._replace(logits=(output.logits + mirrored) / 2)

    def _upsample(self, view: View, logits: Tensor, maps: np.ndarray, pdm_steps: int) -> np.ndarray:
        """Upsample logits and apply PDM; return probabilities, float32 (S / PDM_CELL_PX, S / PDM_CELL_PX)."""
        fine = F.interpolate(logits[None, None], size=len(view.pixels) // PDM_CELL_PX, mode="bilinear")[0, 0]
        if not pdm_steps:
            return fine.sigmoid().cpu().numpy()
        signed = pdm.diffuse(fine, _pdm_seeds(maps).to(fine.device), view.affinity, pdm_steps, self.reclamp)
        return (signed.clamp(-2, 2) / 4 + 0.5).cpu().numpy()

    def _prediction(self, result: ForwardPass, first: ForwardPass, focused: ForwardPass | None) -> Prediction:
        """Combine the last pass with the latent heads of the first pass on the same view and with the focus view."""
        logits = torch.cat([result.output.logits[0, :1], first.output.logits[0, 1:]]).float()
        heads, quality = logits[1:], first.output.quality
        best_first = _best_first(heads, None if quality is None else quality[0, 1:])
        alternatives = LazyMasks([head.sigmoid().cpu().numpy() for head in best_first], first.view, first.outside)
        prob = result.prob if focused is None else focused.prob
        return Prediction(prob > 0.5, prob, alternatives, self._factors(result, logits, focused))

    def _factors(self, result: ForwardPass, logits: Tensor, focused: ForwardPass | None) -> Factors | None:
        view, output, f = result.view, result.output, result.output.factors
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
            seeds=_pdm_seeds(result.maps).numpy(),
            pdm_steps=self.pdm_steps,
            focus=None if focused is None else FocusFactors(focused.view.box, focused.view.pixels, focused.maps[2], focused.view_prob),
        )


class ForwardPass(NamedTuple):
    """One forward pass of the network over a view.

    Attributes:
        view: The view.
        maps: Prompt maps, float32 (3, S, S).
        output: Output of the network.
        view_prob: Probabilities of the view, float32 (S / PDM_CELL_PX, S / PDM_CELL_PX).
        prob: Probabilities of the image, float32 (H, W): `view_prob` with `outside` around it.
        outside: Probabilities around the view, float32 (H, W); None if the view covers the whole image.
    """

    view: View
    maps: np.ndarray
    output: Output
    view_prob: np.ndarray
    prob: np.ndarray
    outside: np.ndarray | None


def _pdm_seeds(maps: np.ndarray) -> Tensor:
    """Return the seeds of PDM: 1 at positive and -1 at negative clicks, float32 (S / PDM_CELL_PX, S / PDM_CELL_PX)."""
    steps = range(PDM_CELL_PX)
    clicks = np.maximum.reduce([maps[:2, i::PDM_CELL_PX, j::PDM_CELL_PX] for i in steps for j in steps])
    return torch.from_numpy(clicks[0] - clicks[1])


def _changes_much(prior: np.ndarray | None, prob: np.ndarray) -> bool:
    mask = prob > 0.5
    if prior is None:
        return bool(mask.any())
    before = prior > 0.5
    return bool(np.count_nonzero(mask ^ before) > MIN_CASCADE_CHANGE * max(np.count_nonzero(mask), np.count_nonzero(before)))


def _best_first(heads: Tensor, quality: Tensor | None) -> list[Tensor]:
    """Sort latent heads (n, h, w) by their predicted IoU (n,) or, without one, by their confidence."""
    scores = (2 * heads.sigmoid() - 1).abs().mean((1, 2)) if quality is None else quality
    return [heads[i] for i in scores.argsort(descending=True, stable=True).tolist()]


def _check_image(image: np.ndarray) -> None:
    if not (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3):
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"the image is {got}; give a uint8 (H, W, 3) RGB array, such as cdwidget.read_image returns")
    if min(image.shape[:2]) < MIN_IMAGE_SIDE_PX:
        raise ValueError(
            f"the image is {image.shape[1]}x{image.shape[0]} pixels; at least {MIN_IMAGE_SIDE_PX}x{MIN_IMAGE_SIDE_PX} are needed"
        )
