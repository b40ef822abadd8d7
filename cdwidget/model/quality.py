"""The quality model: estimates the IoU of a mask and where it is wrong, without clicks and without ground truth.

It sees a mask and its neighbors on the features of cdnet-tiny's frozen encoder, in a crop around the mask.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cdwidget._deprecated import renamed_names
from cdwidget.masks import Bbox
from cdwidget.model import MODELS
from cdwidget.model.cdnet import ASPP, ClickPyramid, ResidualBlock, conv_bn
from cdwidget.model.encoders import TinyViT
from cdwidget.model.quantization import inference_precision
from cdwidget.model.view import ViewCache, crop_around_mask, resize_to_square
from cdwidget.predictor import QualityEstimate

WEIGHTS = Path(__file__).parent / "weights" / "quality.safetensors"
VIEW_SIZE_PX = 448  # side of a view; the attention windows of the encoder fit it without padding
MAP_SIZE_PX = 224  # side of the mask maps before they are resized to the view
ERROR_CELL_PX = 8  # view px; the model predicts one false-negative and one false-positive fraction per cell
MAX_OVERLAPS = 3  # number of overlapping masks at which their map saturates
WIDTHS = (32, 64, 160)  # channels per level, as in cdnet-tiny, whose weights initialize training
OLD_PARAMETER_NAMES = {"wrong.": "errors.", "judge.": "head."}  # prefix in files of version 0.1 -> current prefix


class QualityOutput(NamedTuple):
    """Output of the quality network for a batch of masks.

    Attributes:
        iou: Logits of the estimated IoU, (B,).
        good: Logits of the probability that the IoU is at least GOOD_IOU, (B,).
        soft_iou: IoU computed from the predicted error fractions, (B,).
        errors: Logits of the false-negative and the false-positive fraction of each cell, (B, 2, S / ERROR_CELL_PX, S / ERROR_CELL_PX).
    """

    iou: Tensor
    good: Tensor
    soft_iou: Tensor
    errors: Tensor


class QualityNetwork(nn.Module):
    """Estimates error fractions per cell and, from pooled features, the IoU."""

    def __init__(self) -> None:
        super().__init__()
        fine, middle, deep = WIDTHS
        self.laterals = nn.ModuleList(conv_bn(a, b, 1) for a, b in zip((64, 128, 256), WIDTHS))
        self.prompts = ClickPyramid(WIDTHS)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, 2) for a, b in zip(WIDTHS, WIDTHS[1:]))
        self.context = nn.Sequential(ResidualBlock(deep), ASPP(deep, (3, 6, 9)))
        self.narrow = nn.Conv2d(deep, middle, 1)
        self.smooth = nn.Sequential(ResidualBlock(middle), ResidualBlock(middle))
        self.errors = nn.Conv2d(middle, 2, 3, padding=1)
        self.head = nn.Sequential(nn.Linear(2 * deep + 2 * middle + 4, 64), nn.GELU(), nn.Linear(64, 2))
        fold_batch_norms(self)

    def forward(self, levels: Sequence[Tensor], maps: Tensor) -> QualityOutput:
        """Estimate the quality of a batch of masks.

        Args:
            levels: Features of TinyViT at stride 4, 8 and 16.
            maps: Mask maps (B, 3, S, S), see `mask_maps`.
        """
        fused = [lateral(level) + prompt for lateral, level, prompt in zip(self.laterals, levels, self.prompts(maps))]
        middle = fused[1] + self.down[0](F.gelu(fused[0]))
        deep = self.context(F.gelu(fused[2] + self.down[1](F.gelu(middle))))
        fine = self.smooth(F.interpolate(self.narrow(deep), scale_factor=2, mode="bilinear") + middle)
        errors = self.errors(fine).float()
        mask = F.avg_pool2d(maps[:, 2:], ERROR_CELL_PX)  # (B, 1, h, w)
        false_negatives, false_positives = ((errors.sigmoid() * torch.cat([1 - mask, mask], 1)).flatten(2)).sum(-1).T
        area = mask.sum((1, 2, 3)).clamp(min=0.1)
        soft_iou = ((area - false_positives) / (area + false_negatives)).clamp(1e-3, 1 - 1e-3)
        border = F.max_pool2d(mask, 3, 1, 1) + F.max_pool2d(-mask, 3, 1, 1)
        pooled = [_weighted_mean(deep, F.avg_pool2d(mask, 2)), deep.float().mean((2, 3)), _weighted_mean(fine, mask)]
        pooled.append(_weighted_mean(fine, border))
        numbers = torch.stack([soft_iou.logit(), false_negatives / area, false_positives / area, area.log()], 1)
        iou, good = self.head(torch.cat([*pooled, numbers], 1)).float().T
        return QualityOutput(iou + soft_iou.logit(), good, soft_iou, errors)


class CDNetQualityModel:
    """The quality model, for one image at a time.

    Small masks are evaluated in a crop around them.

    Args:
        network: The quality network.
        encoder: The encoder of cdnet-tiny.
    """

    def __init__(self, network: QualityNetwork, encoder: TinyViT) -> None:
        self.network, self.encoder = (part.eval().to(memory_format=torch.channels_last) for part in (network, encoder))  # type: ignore[call-overload]
        self._views = ViewCache(self.encoder, VIEW_SIZE_PX, torch.device("cpu"))

    def set_image(self, image: np.ndarray) -> None:
        """Set the image.

        Args:
            image: uint8 (H, W, 3) RGB; setting the same array again keeps its encoded views.
        """
        if image is not self._views.image:
            self._views.set_image(image)

    @torch.inference_mode()
    def estimate(self, mask: np.ndarray, others: Sequence[np.ndarray] = ()) -> QualityEstimate:
        """Estimate the quality of one mask.

        Args:
            mask: bool (H, W), not empty.
            others: The masks of other objects in the image, bool (H, W) each.

        Returns:
            The estimate.

        Example:
            >>> model = load_quality_model()
            >>> model.set_image(image)
            >>> model.estimate(mask).iou
        """
        x0, y0, x1, y1 = box = crop_around_mask(mask)
        neighbors = [mask_in_view(other, box) for other in others if other[y0:y1, x0:x1].any()]
        maps = torch.from_numpy(mask_maps(mask_in_view(mask, box), neighbors))[None]
        view = self._views.view(box)
        with inference_precision():
            output = self.network(view.encoded, F.interpolate(maps, size=(VIEW_SIZE_PX, VIEW_SIZE_PX)))
        outside = np.zeros(mask.shape, np.float32)
        false_negatives, false_positives = (view.to_image(cells, outside) for cells in output.errors[0].sigmoid().numpy())
        return QualityEstimate(float(output.iou.sigmoid()), float(output.good.sigmoid()), false_negatives * ~mask, false_positives * mask)

    @torch.inference_mode()
    def embed(self, mask: np.ndarray) -> np.ndarray:
        """Return the mean of the deepest features inside a mask, encoded in the whole image.

        Args:
            mask: bool (H, W), not empty.

        Returns:
            float32 (256,).
        """
        height, width = mask.shape
        deep = self._views.view((0, 0, width, height)).encoded[-1][0].float()
        weights = torch.from_numpy(cv2.resize(mask.astype(np.float32), deep.shape[:0:-1], interpolation=cv2.INTER_AREA))
        vector: np.ndarray = ((deep * weights).sum((1, 2)) / weights.sum()).numpy()
        return vector


def mask_maps(mask: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """Return the network's input maps for masks in a view.

    Args:
        mask: The mask to evaluate, bool (MAP_SIZE_PX, MAP_SIZE_PX).
        others: The other masks of the image, of the same shape.

    Returns:
        float32 (3, MAP_SIZE_PX, MAP_SIZE_PX): borders of the other masks, their number at each pixel (scaled to 0 to 1), and the mask.
    """
    maps = np.zeros((3, *mask.shape), np.float32)
    for other in others:
        pixels = other.astype(np.uint8)
        maps[0][(pixels - cv2.erode(pixels, np.ones((3, 3), np.uint8))) > 0] = 1
        maps[1] += pixels
    maps[1] = np.minimum(maps[1] / MAX_OVERLAPS, 1)
    maps[2] = mask
    return maps


def mask_in_view(mask: np.ndarray, box: Bbox) -> np.ndarray:
    """Resize the part of a mask in a view; small masks do not vanish.

    Args:
        mask: bool (H, W).
        box: The view (x0, y0, x1, y1) in image pixels.

    Returns:
        bool (MAP_SIZE_PX, MAP_SIZE_PX).
    """
    x0, y0, x1, y1 = box
    coverage = resize_to_square(mask[y0:y1, x0:x1].astype(np.float32), MAP_SIZE_PX)
    resized: np.ndarray = coverage > min(0.5, float(coverage.max()) / 2)
    return resized


def fold_batch_norms(module: nn.Module) -> None:
    """Fold batch norms into the convolutions before them, in place.

    Training is twice as fast without them.

    Args:
        module: Any module; pairs of a convolution and a batch norm are found in it.
    """
    for part in module.modules():
        if isinstance(part, nn.Sequential) and len(part) == 2 and isinstance(part[1], nn.BatchNorm2d):
            part[0], part[1] = fuse_conv_bn_eval(part[0].eval(), part[1].eval()), nn.Identity()  # type: ignore[type-var]


def save_quality_model(network: QualityNetwork, path: Path, metadata: dict[str, str]) -> None:
    """Write the weights in fp16, without the encoder, which is cdnet-tiny's.

    Args:
        network: The network.
        path: The .safetensors file.
        metadata: Stored in the header of the file.
    """
    tensors = {name: value.half().contiguous() for name, value in network.state_dict().items() if value.is_floating_point()}
    save_file(tensors, path, metadata=metadata)


def load_quality_model(path: Path = WEIGHTS) -> CDNetQualityModel:
    """Load the quality model, with its encoder from cdnet-tiny's weights.

    Args:
        path: A .safetensors file that `cdwidget train-quality` wrote; by default the model in the package.

    Returns:
        The model.
    """
    network, encoder = QualityNetwork(), TinyViT()
    _load(network, {_current_name(name): value for name, value in load_file(path).items()})
    prefix = "backbone."
    weights = load_file(MODELS["cdnet-tiny"])
    _load(encoder, {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)})
    return CDNetQualityModel(network, encoder)


def _current_name(parameter: str) -> str:
    for old, new in OLD_PARAMETER_NAMES.items():
        if parameter.startswith(old):
            return new + parameter.removeprefix(old)
    return parameter


def _load(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    counters = {name: value for name, value in module.state_dict().items() if name.endswith("num_batches_tracked")}
    module.load_state_dict({**{name: value.float() for name, value in tensors.items()}, **counters})


def _weighted_mean(features: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of features (B, C, h, w) by weights (B, 1, h, w), float32 (B, C)."""
    return (features.float() * weights).sum((2, 3)) / weights.sum((2, 3)).clamp(min=1e-3)


__getattr__ = renamed_names(__name__, {"load_critic": "load_quality_model", "CDNetCritic": "CDNetQualityModel"})
