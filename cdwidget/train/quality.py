"""Training of the quality model on masks with new synthetic errors in every step; `cdwidget train-quality`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cdwidget.formats.dataset_folders import MAX_OBJECT_SHARE, MIN_OBJECT_SHARE, find_datasets, read_dataset
from cdwidget.mask_errors import MASK_ERRORS, corrupt_mask
from cdwidget.masks import Bbox, iou
from cdwidget.model import MODELS
from cdwidget.model.cdnet import CDNet
from cdwidget.model.checkpoint import load_checkpoint
from cdwidget.model.quality import (
    ERROR_CELL_PX,
    MAP_SIZE_PX,
    VIEW_SIZE_PX,
    QualityNetwork,
    fold_batch_norms,
    load_quality_model,
    mask_in_view,
    mask_maps,
    save_quality_model,
)
from cdwidget.model.quantization import inference_precision
from cdwidget.model.view import crop_around_mask
from cdwidget.predictor import GOOD_IOU
from cdwidget.train.config import DatasetSettings
from cdwidget.train.corruption import resize_masks, trains_quality_model
from cdwidget.train.data import jitter_colors
from cdwidget.train.distributed import select_device
from cdwidget.train.loop import LoopRecipe, train_batches
from cdwidget.train.prefetch import prefetch, worker_count

FILE_FORMAT = "cdwidget-critic-2"  # stored in the weights file
NEIGHBOR_ERRORS = ("grown", "shrunk", "cut", "shifted", "merged", "wrong object")  # errors of the other masks: all that are fast to make
ERRORS_WITH_OTHERS = ("merged", "wrong object")  # errors that need a second object
MAX_CORRUPTED_NEIGHBORS = 5  # per image
MIN_OBJECT_PX = 16  # image px
MAX_DRAWS = 1000  # images drawn until one has an object of a suitable size
AREA_OFFSET_CELLS = 64  # added to the area that normalizes the error loss, so that small masks do not dominate
LOG_SCALE_RANGE, MAX_OFFSET = (-0.15, 0.3), 0.08  # augmentation of the crop: logarithm of its scale, shift as a fraction of its sides


@dataclass(frozen=True)
class QualityRecipe(LoopRecipe):
    """One training run of the quality model.

    Attributes:
        first: Number of the first batch, so that a continued run draws other masks.
        images: Images per batch.
        masks: Masks per image.
        clean: Number of these masks that are correct.
        ious: Range of the IoU of errors whose extent can be chosen.
        alone: Fraction of masks for which no other masks of the image are given.
        all_good: Fraction of masks for which all other masks are correct.
        max_corrupted: Maximum fraction of the other masks that are corrupted, in all remaining cases.
        duplicates: Fraction of the correct masks that are repeated as the mask of another object.
    """

    steps: int = 2500
    rate: float = 1e-3
    warmup: int = 100
    ema: float = 0.998
    first: int = 0
    images: int = 16
    masks: int = 5
    clean: int = 2
    ious: tuple[float, float] = (0.4, 1.0)
    alone: float = 0.2
    all_good: float = 0.2
    max_corrupted: float = 0.7
    duplicates: float = 0.1


QUALITY_RECIPE = QualityRecipe(DatasetSettings.read().quality)


@dataclass(frozen=True)
class QualitySample:
    """One image and masks in it, each in its own view, as the network gets them.

    Attributes:
        image: uint8 (H, W, 3) RGB.
        views: The view of each mask.
        maps: Input maps, float16 (N, 3, MAP_SIZE_PX, MAP_SIZE_PX), see `mask_maps`.
        truth: The true masks, bool (N, MAP_SIZE_PX, MAP_SIZE_PX).
        iou: The true IoU of each mask, float32 (N,).
    """

    image: np.ndarray
    views: list[Bbox]
    maps: np.ndarray
    truth: np.ndarray
    iou: np.ndarray


@dataclass(frozen=True)
class _MaskedImage:
    """An augmented image with its objects.

    Attributes:
        image: uint8 (H, W, 3) RGB.
        valid: Pixels that count, bool (H, W).
        objects: The true masks, bool (N, H, W).
        masks: The masks shown as neighbors, some of them corrupted.
        suitable: Indices of the objects whose size is suitable.
    """

    image: np.ndarray
    valid: np.ndarray
    objects: np.ndarray
    masks: list[np.ndarray]
    suitable: np.ndarray


class QualityDataset:
    """Training samples, determined by recipe, data sets and step.

    Args:
        recipe: The recipe.
        folders: Data sets, or folders of them.

    Raises:
        ValueError: If no image may be used.
    """

    def __init__(self, recipe: QualityRecipe, folders: Iterable[Path]):
        self.recipe = recipe
        folders = find_datasets(folders)
        self.sets = [[source for source in read_dataset(folder) if trains_quality_model(source)] for folder in folders]
        weights = np.array([recipe.sets.get(folder.name, 1.0) if sources else 0 for folder, sources in zip(folders, self.sets)])
        if not weights.any():
            raise ValueError("all images are held out or reserved; training needs some that are not")
        self.probabilities = weights / weights.sum()

    def batch(self, step: int) -> list[QualitySample]:
        """Draw the samples of a step."""
        return [self.draw(step, index) for index in range(self.recipe.images)]

    def draw(self, step: int, index: int) -> QualitySample:
        """Draw one image of a step, with `masks` masks of its objects.

        Args:
            step: The step.
            index: The image within the batch.

        Raises:
            ValueError: If no object has a suitable size.
        """
        rng = np.random.default_rng((self.recipe.seed, step, index))
        source = self._masked_image(rng)
        views, maps, truths, ious = [], [], [], []
        for i in range(self.recipe.masks):
            mask, others, truth = self._mask(source, i >= self.recipe.clean, rng)
            view = crop_around_mask(mask, float(np.exp(rng.uniform(*LOG_SCALE_RANGE))), tuple(rng.uniform(-MAX_OFFSET, MAX_OFFSET, 2)))
            x0, y0, x1, y1 = view
            views.append(view)
            neighbors = [mask_in_view(other, view) for other in others if other[y0:y1, x0:x1].any()]
            maps.append(mask_maps(mask_in_view(mask, view), neighbors))
            truths.append(mask_in_view(truth | (mask & ~source.valid), view))
            ious.append(iou(mask & source.valid, truth))
        return QualitySample(source.image, views, np.stack(maps).astype(np.float16), np.stack(truths), np.array(ious, np.float32))

    def _load(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Load an image, its objects, its valid pixels, and the indices of the objects of a suitable size."""
        for _ in range(MAX_DRAWS):
            sources = self.sets[rng.choice(len(self.sets), p=self.probabilities)]
            image, objects, valid = sources[rng.integers(len(sources))].load()
            objects = objects & valid
            objects = objects[objects.sum((1, 2)) >= MIN_OBJECT_PX]
            share = objects.mean((1, 2))
            suitable = np.flatnonzero((share >= MIN_OBJECT_SHARE) & (share <= MAX_OBJECT_SHARE))
            if len(suitable):
                return image, objects, valid, suitable
        raise ValueError(
            f"none of {MAX_DRAWS} images has an object that fills {MIN_OBJECT_SHARE:.1%} to {MAX_OBJECT_SHARE:.0%} of it; "
            "add images with such objects"
        )

    def _masked_image(self, rng: np.random.Generator) -> _MaskedImage:
        """Draw an image, jitter its colors, mirror every second one, and corrupt some of the masks that are shown as neighbors."""
        image, objects, valid, suitable = self._load(rng)
        image = jitter_colors(image, rng)
        if rng.random() < 0.5:
            image, objects, valid = (np.ascontiguousarray(part) for part in (image[:, ::-1], objects[..., ::-1], valid[:, ::-1]))
        masks, share = list(objects), rng.uniform(0, self.recipe.max_corrupted)
        for i in rng.permutation(suitable)[:MAX_CORRUPTED_NEIGHBORS]:
            if len(objects) > 1 and rng.random() < share:
                kind, others = str(rng.choice(NEIGHBOR_ERRORS)), np.delete(objects, i, axis=0)
                with suppress(ValueError):
                    masks[i] = corrupt_mask(kind, image, objects[i], others, rng, self.recipe.ious)
        return _MaskedImage(image, valid, objects, masks, suitable)

    def _mask(self, source: _MaskedImage, corrupted: bool, rng: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
        """Draw a mask of an object; return it, the other masks of the image as they are shown, and the true mask."""
        recipe, chance = self.recipe, rng.random()
        i = int(rng.choice(source.suitable))
        mask = truth = source.objects[i]
        true_others = np.delete(source.objects, i, axis=0)
        if chance < recipe.alone:
            others = []
        elif chance < recipe.alone + recipe.all_good:
            others = list(true_others)
        else:
            others = source.masks[:i] + source.masks[i + 1 :]
        kinds = list(MASK_ERRORS) if corrupted else []
        rng.shuffle(kinds)
        for kind in kinds:
            is_foreign = kind in ERRORS_WITH_OTHERS and not (len(true_others) if kind == "merged" else len(others))
            with suppress(ValueError):
                second = self._foreign_objects(truth.shape, rng) if is_foreign else true_others
                mask = corrupt_mask(kind, source.image, truth, second, rng, recipe.ious)
                break
        if not corrupted and others and rng.random() < recipe.duplicates:
            others[rng.integers(len(others))] = mask
        return mask, others, truth

    def _foreign_objects(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return the objects of another image, resized."""
        return resize_masks(self._load(rng)[1], shape)


def train_quality_model(
    folders: Iterable[Path], out: Path, recipe: QualityRecipe = QUALITY_RECIPE, start_from: Path | None = None, device: str = "auto"
) -> str:
    """Train the quality model, and write its weights and, next to them, a log (.jsonl).

    Held-out and reserved images are not used.

    Args:
        folders: Data sets, or folders of them.
        out: The .safetensors file to write.
        recipe: The recipe.
        start_from: Weights of an earlier run to continue from; set `recipe.first` to draw other batches.
        device: "cpu", "cuda" or "auto".

    Returns:
        A sentence with the file.

    Raises:
        ValueError: If the device is unknown or no image can be used.
    """
    selected = select_device(device)
    torch.manual_seed(recipe.seed)
    dataset = QualityDataset(recipe, folders)
    cdnet = load_checkpoint(MODELS["cdnet-tiny"])
    network = QualityNetwork()
    if start_from is None:
        init_from_cdnet(network, cdnet)
    else:
        network.load_state_dict(load_quality_model(start_from).network.state_dict())
    network.train().to(selected).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    encoder = cdnet.backbone.to(selected).eval()
    batches = prefetch(dataset.batch, range(recipe.first, recipe.first + recipe.steps), worker_count(selected))

    def loss(batch: Sequence[QualitySample]) -> tuple[Tensor, dict[str, float]]:
        value, error = quality_model_loss(network, encoder, batch)
        return value, {"off": round(error, 4)}

    train_batches(network, recipe, batches, loss, out, save_quality_model, FILE_FORMAT)
    return f"wrote {out}"


def quality_model_loss(network: QualityNetwork, encoder: nn.Module, batch: Sequence[QualitySample]) -> tuple[Tensor, float]:
    """Compute the loss of the quality model.

    It is the sum of the cross entropies of the IoU, of the mask being good (weight 0.5) and of the error fractions per cell (0.5), and the
    absolute error of the IoU computed from these fractions (0.5).

    Args:
        network: The quality network.
        encoder: The frozen encoder.
        batch: The samples.

    Returns:
        The loss, a scalar, and the mean absolute error of the estimated IoU.
    """
    device = next(network.parameters()).device
    parts = zip(*((sample.maps, sample.truth, sample.iou) for sample in batch))
    maps, truth, ious = (torch.from_numpy(np.concatenate(part)).to(device).float() for part in parts)
    images = torch.cat([image for sample in batch for image in _images_in_views(sample, device)])
    with inference_precision(device.type):
        with torch.no_grad():
            levels = encoder(images.contiguous(memory_format=torch.channels_last))
        output = network(levels, F.interpolate(maps, size=(VIEW_SIZE_PX, VIEW_SIZE_PX)))
    mask, true = maps[:, 2:], truth[:, None]
    errors = torch.cat([true * (1 - mask), mask * (1 - true)], 1)
    error_fractions, cells = (F.avg_pool2d(values, ERROR_CELL_PX * MAP_SIZE_PX // VIEW_SIZE_PX) for values in (errors, mask))
    error_loss = F.binary_cross_entropy_with_logits(output.errors, error_fractions, reduction="none").sum((1, 2, 3))
    error_loss = error_loss / (cells.sum((1, 2, 3)) + AREA_OFFSET_CELLS)
    iou_loss = F.binary_cross_entropy_with_logits(output.iou, ious)
    good_loss = F.binary_cross_entropy_with_logits(output.good, (ious >= GOOD_IOU).float())
    loss = iou_loss + 0.5 * good_loss + 0.5 * error_loss.mean() + 0.5 * (output.soft_iou - ious).abs().mean()
    return loss, float((output.iou.detach().sigmoid() - ious).abs().mean())


def init_from_cdnet(network: QualityNetwork, cdnet: CDNet) -> None:
    """Initialize the quality network with cdnet-tiny's weights of the same name and shape.

    Args:
        network: The quality network, changed in place.
        cdnet: The cdnet-tiny model; its batch norms are also folded in place.
    """
    for part in (cdnet.laterals, cdnet.context, cdnet.smooth):
        fold_batch_norms(part)
    source = {name.replace("narrow.1.", "narrow.").replace("smooth.1.", "smooth.0."): value for name, value in cdnet.state_dict().items()}
    own = network.state_dict()
    network.load_state_dict({**own, **{name: value for name, value in source.items() if name in own and own[name].shape == value.shape}})
    torch.nn.init.constant_(network.get_parameter("errors.bias"), -3.0)  # Errors are rare.


def _images_in_views(sample: QualitySample, device: torch.device) -> Iterator[Tensor]:
    """Yield the image in the view of each mask, (1, 3, VIEW_SIZE_PX, VIEW_SIZE_PX) in [0, 1]."""
    image = torch.from_numpy(sample.image).to(device).permute(2, 0, 1)[None].float().div_(255)
    for x0, y0, x1, y1 in sample.views:
        yield F.interpolate(image[..., y0:y1, x0:x1], (VIEW_SIZE_PX, VIEW_SIZE_PX), mode="bilinear", antialias=True)
