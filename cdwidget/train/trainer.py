"""The training loop: every batch is used for a few iterative prompts, and each prompt is one optimizer step."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from cdwidget.model.cdnet import CDNet
from cdwidget.model.checkpoint import load_encoder, load_parts, save_checkpoint
from cdwidget.model.focus import FOCUS
from cdwidget.model.prompt_maps import prompt_maps
from cdwidget.model.quantization import quantized
from cdwidget.plotting import plot_training
from cdwidget.prompts import Prompt
from cdwidget.train.config import Recipe
from cdwidget.train.data import Sample, Sampler, TrainingView, read_sets, remove_unusable
from cdwidget.train.distill import Teacher
from cdwidget.train.distributed import ProcessGroup, init_process_group, synchronize_batch_norms
from cdwidget.train.features import FeatureCache, images_to_tensor
from cdwidget.train.focus_round import FocusSample, focus_samples
from cdwidget.train.losses import cdnet_loss, quality_loss
from cdwidget.train.prefetch import prefetch, worker_count
from cdwidget.train.simulated_prompts import next_prompt
from cdwidget.train.weight_average import WeightAverage

ROUNDS_STREAM, PROMPT_STREAM = 3, 4  # random streams; data.py has 1 and 2
GPU_VIEWS_MULTIPLE = 8  # Batches of views are padded to multiples of 8: a GPU takes seconds to prepare for every new batch size.
MAX_GRADIENT_NORM = 5.0
HARD_PRIOR_SHARE = 0.5  # fraction of the previous masks that are binarized, as masks edited by a person are


def train(
    recipe: Recipe, data: Sequence[Path], out: Path, *, encoder: Path | None = None, start_from: Path | None = None, resume: bool = False,
    teacher: Path | None = None, unlabeled: Sequence[Path] = (), skip_bad: bool = False, features: Path | None = None,
    device: str = "auto", save_every: int = 50,
) -> Path:  # fmt: skip
    """Train a CDNet; under torchrun, the processes share each batch.

    Next to the weights, it writes a log (.jsonl), its plot (.png) and the state to resume from (.state).

    Args:
        recipe: The recipe.
        data: Folders of data sets.
        out: File of the averaged weights (.safetensors, fp16).
        encoder: Pre-trained weights of the backbone.
        start_from: Checkpoint to start from instead; parts that it lacks are initialized randomly.
        resume: Continue from the saved state, exactly as if the run had not been interrupted.
        teacher: Checkpoint of a network to distill from.
        unlabeled: Folders of images that only the teacher labels.
        skip_bad: Leave out images that cannot be used.
        features: Folder of the cache of frozen encoder features; several runs can share it; None for `.features/` next to `out`.
        device: "cpu", "cuda" or "auto".
        save_every: Batches between two saves.

    Returns:
        The weights file.

    Raises:
        ValueError: If an image or mask cannot be used, or options contradict each other.
        FileNotFoundError: If there is nothing to resume.

    Example:
        >>> from cdwidget.train import RECIPES, train
        >>> train(RECIPES["cdnet-tiny-head"], [Path("photos")], Path("photos.safetensors"), encoder=Path("tinyvit.safetensors"))
    """
    if unlabeled and teacher is None:
        raise ValueError("unlabeled images need a teacher; name a teacher, or leave them out")
    if start_from is None and not resume and (recipe.fixed_statistics or recipe.blend < 1):
        raise ValueError("the recipe improves trained weights; name the weights to start from (--start-from)")
    with init_process_group(device) as (group, selected):
        sets, report = remove_unusable(read_sets(data, unlabeled), skip_bad)
        if report and group.rank == 0:
            tqdm.write(report)
        sampler = Sampler(recipe, sets)
        torch.manual_seed(recipe.seed)
        model = CDNet(recipe.model)
        if start_from is not None:
            load_parts(model, start_from)
        elif encoder is not None:
            load_encoder(model, encoder)
        model.to(selected)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        folder, views = features or out.with_suffix(".features"), sampler.view_description()
        cache = FeatureCache(model, folder, views) if model.late and recipe.encoder_rate == 0 else None
        guide = None if teacher is None else Teacher(teacher, recipe, folder, views, selected)
        _run(Trainer(model, recipe, group, cache, guide), sampler, out, resume, save_every)
    return out


def _run(trainer: Trainer, sampler: Sampler, out: Path, resume: bool, save_every: int) -> None:
    """Train all batches; rank 0 writes the logs and checkpoints."""
    recipe, group = trainer.recipe, trainer.group
    state_file, log_file = out.with_suffix(".state"), out.with_suffix(".jsonl")
    is_writer = group.rank == 0
    start = 0
    if resume:
        if not state_file.is_file():
            raise FileNotFoundError(f"there is no {state_file}, so nothing can be resumed; start without --resume")
        state = torch.load(state_file, weights_only=True, map_location=trainer.device)
        trainer.load_state_dict(state)
        start = state["step"]
    if is_writer:
        out.parent.mkdir(parents=True, exist_ok=True)
        logged = log_file.read_text().splitlines(keepends=True) if start else []
        log_file.write_text("".join(logged[:start]))  # Batches after the saved state are trained again.
        if not resume:
            _save_state(state_file, trainer.state_dict() | {"step": 0})
    steps = range(start, recipe.steps)
    batches = prefetch(partial(sampler.local_rows, group), steps, worker_count(trainer.device, group.world_size))
    with tqdm(total=recipe.steps, initial=start, unit="batch", disable=not is_writer) as bar:
        for step, samples in zip(steps, batches):
            started = time.perf_counter()
            result = trainer.train_batch(samples, step)
            if not is_writer:
                continue
            bar.set_postfix(loss=f"{np.mean(result.loss):.3f}", iou=f"{result.iou[-1]:.3f}", refresh=False)
            bar.update()
            seconds = time.perf_counter() - started
            entry = {"step": step + 1, "loss": result.loss, "iou": result.iou, "rate": trainer.learning_rate(step), "seconds": seconds}
            if result.focus is not None:
                entry["focus"] = result.focus._asdict()
            with open(log_file, "a") as log:
                log.write(json.dumps(_rounded(entry)) + "\n")
            if (step + 1) % save_every == 0 or step + 1 == recipe.steps:
                metadata = {"recipe": json.dumps(asdict(recipe)), "step": str(step + 1)}
                save_checkpoint(out, _model_with_weights(recipe, trainer.result()), metadata)
                plot_training(log_file, out.with_suffix(".png"))
                _save_state(state_file, trainer.state_dict() | {"step": step + 1})  # Last: a run killed before it repeats the rest.


class FocusLog(NamedTuple):
    """Focus views of a batch: their number, the loss, and the mean IoU in the views before and after."""

    views: int
    loss: float
    iou: list[float]


class BatchLog(NamedTuple):
    """Loss and mean IoU of each round, averaged over all processes, and the focus round; None without one."""

    loss: list[float]
    iou: list[float]
    focus: FocusLog | None


class Trainer:
    """A network with its optimizer and the moving average of its weights.

    Args:
        model: The network, changed in place.
        recipe: The recipe.
        group: The processes that share each batch.
        features: Cached features of a frozen encoder; None if the encoder is trained or takes prompts.
        teacher: The teacher; None without distillation.
    """

    def __init__(
        self, model: CDNet, recipe: Recipe, group: ProcessGroup, features: FeatureCache | None = None, teacher: Teacher | None = None
    ):
        if recipe.focus_round and group.world_size > 1:
            raise ValueError("the recipe has a focus round, whose views differ in number from process to process; start one process")
        self.model, self.recipe, self.group, self.features, self.teacher = model, recipe, group, features, teacher
        self.device = next(model.parameters()).device
        if group.world_size > 1:
            synchronize_batch_norms(model)
        self.threads = ThreadPoolExecutor()  # They simulate the prompts.
        self.average = WeightAverage(model, recipe.ema)
        self.initial = {name: value.clone() for name, value in self.average.weights.items()}  # The result is blended with them.
        groups = _parameter_groups(model, recipe)
        if teacher is not None:
            groups.append({"params": list(teacher.adapters.parameters()), "scale": 1.0})
        self.parameters = [parameter for group in groups for parameter in group["params"]]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.rate, weight_decay=recipe.weight_decay)
        self.updates = 0

    def train_batch(self, samples: list[Sample], step: int) -> BatchLog:
        """Train on one batch for 1 to `rounds` rounds.

        Each round simulates a prompt where the prediction is wrong, predicts, and updates the weights. A recipe with a focus round repeats
        the last prompts in their focus views.

        Args:
            samples: The samples of this process.
            step: Number of the batch.

        Returns:
            The losses and IoUs of the rounds and of the focus round.
        """
        recipe, teacher = self.recipe, self.teacher
        views = [sample.view for sample in samples]
        teacher_levels = teacher.encode(views) if teacher else ()
        if teacher:
            samples = teacher.label(samples, teacher_levels)
        owner = torch.tensor([i for i, s in enumerate(samples) for _ in s.targets], device=self.device)  # view of each target
        targets = np.concatenate([s.targets for s in samples])
        valid = np.stack([s.view.valid for s in samples for _ in s.targets])
        start = np.concatenate([s.start for s in samples])
        prior, target, valid_pixels = (torch.from_numpy(masks)[:, None].to(self.device).float() for masks in (start, targets, valid))
        count, size, grid = len(targets), recipe.model.size, targets.shape[-1]
        painted = np.zeros((count, 2, size, size), bool)
        prompts: list[list[Prompt]] = [[] for _ in range(count)]
        first = self.group.rank * count
        rngs = [np.random.default_rng((recipe.seed, PROMPT_STREAM, step, first + i)) for i in range(count)]
        self._set_modes()
        inputs = self._inputs(views)

        def paint_next_prompt(i: int, predicted: np.ndarray) -> None:
            prompt = next_prompt(targets[i], predicted, valid[i], recipe, rngs[i])
            if prompt is not None:
                prompts[i].append(prompt)
                painted[i] |= prompt_maps([prompt], (0, 0, grid, grid), size, recipe.model.click_radius) > 0

        before, losses, ious = prior, [], []
        for _ in range(int(np.random.default_rng((recipe.seed, ROUNDS_STREAM, step)).integers(1, recipe.rounds + 1))):
            list(self.threads.map(paint_next_prompt, range(count), (prior[:, 0] > 0.5).cpu().numpy()))
            maps = torch.cat([torch.from_numpy(painted).to(self.device).float(), F.interpolate(prior, size=size, mode="bilinear")], 1)
            loss, prob = self._learn(inputs, owner, maps, target, valid_pixels, teacher_levels, step)
            losses.append(loss)
            ious.append(_mean_iou(prob, target, valid_pixels))
            is_hard = torch.tensor([rng.random() < HARD_PRIOR_SHARE for rng in rngs], device=self.device)[:, None, None, None]
            before, prior = prior, torch.where(is_hard, (prob > 0.5).float(), prob)
        log = torch.tensor([losses, ious], device=self.device)
        self.group.average([log])
        focus = None
        if recipe.focus_round:
            changes = before[:, 0].cpu().numpy(), prob[:, 0].cpu().numpy()
            images = [views[i].image for i in owner.tolist()]
            focus_size = min(FOCUS.size, size)
            focus = self._learn_focus(focus_samples(images, targets, valid, *changes, prompts, focus_size, recipe.model.click_radius), step)
        return BatchLog(log[0].tolist(), log[1].tolist(), focus)

    def _learn_focus(self, samples: list[FocusSample], step: int) -> FocusLog | None:
        """Learn from focus views; None if there are none."""
        if not samples:
            return None
        views = [sample.view for sample in samples]
        columns = zip(*((sample.maps, sample.target[None], sample.view.valid[None]) for sample in samples))
        maps, target, valid = (torch.from_numpy(np.stack(column)).to(self.device).float() for column in columns)
        levels = self.teacher.encode(views) if self.teacher else ()
        loss, prob = self._learn(self._inputs(views), torch.arange(len(views), device=self.device), maps, target, valid, levels, step)
        return FocusLog(len(views), loss, [_mean_iou(masks, target, valid) for masks in (maps[:, 2:], prob)])

    def _learn(
        self, inputs: tuple[Tensor, ...], owner: Tensor, maps: Tensor, target: Tensor, valid: Tensor, teacher_levels: tuple[Tensor, ...],
        step: int,
    ) -> tuple[float, Tensor]:  # fmt: skip
        """Predict, and update the weights once.

        Args:
            inputs: Input of the network for V views, see `_inputs`.
            owner: The view of each target, (B,).
            maps: Prompt maps, float32 (B, 3, S, S).
            target: The true masks, float32 (B, 1, T, T) of 0 and 1.
            valid: 1 for pixels that count, else 0, float32 (B, 1, T, T).
            teacher_levels: The teacher's features of the views; empty without a teacher.
            step: Number of the batch.

        Returns:
            The loss, and the predicted probabilities, float32 (B, 1, T, T).
        """
        with quantized(self.model, self.recipe.model.bits):
            with torch.autocast(self.device.type, torch.bfloat16):
                levels, encoded = self._encode(inputs)
                output = self.model(tuple(x[owner] for x in encoded), maps)
            loss = cdnet_loss(output.logits, output.gate, maps, target, valid)
            if output.quality is not None:
                loss = loss + quality_loss(output.quality, output.logits, target, valid)
            if self.teacher:
                loss = loss + self.teacher.loss(output, () if self.features else levels, owner, teacher_levels, maps)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
        self._update_weights(step)
        prob = F.interpolate(output.logits[:, :1].detach().float(), size=target.shape[-1], mode="bilinear").sigmoid()
        return float(loss.detach()), prob

    def _set_modes(self) -> None:
        """Set all parts to training mode, except a frozen encoder and fixed batch statistics."""
        self.model.train()
        if self.features is not None:
            self.model.backbone.eval()
        if self.recipe.fixed_statistics:
            for module in self.model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    def _inputs(self, views: list[TrainingView]) -> tuple[Tensor, ...]:
        """Return the features of a frozen encoder, else the images of views."""
        if self.device.type == "cuda":
            views = views + views[: -len(views) % GPU_VIEWS_MULTIPLE]
        return self.features.encode(views) if self.features else (images_to_tensor([view.image for view in views]).to(self.device),)

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a batch: constant, then falling linearly to zero."""
        steps, decay = self.recipe.steps, self.recipe.decay
        return self.recipe.rate * min(1.0, (steps - step) / max(1.0, decay * steps))

    def result(self) -> dict[str, Tensor]:
        """Return the averaged weights, blended with those that the run started from."""
        share = self.recipe.blend
        return {
            name: torch.lerp(self.initial[name], value, share) if value.is_floating_point() else value
            for name, value in self.average.weights.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to resume training exactly."""
        teacher = {} if self.teacher is None else self.teacher.state_dict()
        parts = {"model": self.model.state_dict(), "average": self.average.weights, "optimiser": self.optimizer.state_dict()}
        return parts | {"initial": self.initial, "teacher": teacher, "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state."""
        self.model.load_state_dict(state["model"])
        self.average.weights = state["average"]
        self.initial = state.get("initial", self.initial)  # States of earlier versions have none.
        self.optimizer.load_state_dict(state["optimiser"])  # The key is spelled as in the files of earlier versions.
        self.updates = state["updates"]
        if self.teacher is not None:
            self.teacher.load_state_dict(state["teacher"])

    def _encode(self, inputs: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Return encoder features (none in early fusion) and the network's input, from cached features or images."""
        if not self.model.late:
            return (), inputs
        levels = inputs if self.features else self.model.backbone(*inputs)
        return levels, tuple(lateral(x) for lateral, x in zip(self.model.laterals, levels))

    def _update_weights(self, step: int) -> None:
        """Take one optimizer step with the current gradients."""
        rate = self.learning_rate(step) * min(1.0, (self.updates + 1) / self.recipe.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        self.group.average([parameter.grad for parameter in self.parameters if parameter.grad is not None])
        nn.utils.clip_grad_norm_(self.model.parameters(), MAX_GRADIENT_NORM)
        self.optimizer.step()
        self.updates += 1
        self.average.update(self.model, self.updates)


def _mean_iou(prob: Tensor, target: Tensor, valid: Tensor) -> float:
    predicted, true = (prob > 0.5) & (valid > 0), (target > 0) & (valid > 0)
    intersection, union = (predicted & true).sum((1, 2, 3)), (predicted | true).sum((1, 2, 3))
    return float((intersection / union.clamp(min=1)).mean())


def _parameter_groups(model: CDNet, recipe: Recipe) -> list[dict]:
    """Return the optimizer's parameter groups; freezes the encoder if its learning rate is 0."""
    encoder = [p for name, p in model.named_parameters() if name.startswith("backbone.")]
    head = [p for name, p in model.named_parameters() if not name.startswith("backbone.")]
    groups = [{"params": head, "scale": 1.0}]
    if recipe.encoder_rate:
        groups.append({"params": encoder, "scale": recipe.encoder_rate})
    else:
        for parameter in encoder:
            parameter.requires_grad_(False)
    return groups


def _model_with_weights(recipe: Recipe, weights: dict[str, Tensor]) -> CDNet:
    model = CDNet(recipe.model)
    model.load_state_dict(weights)
    return model


def _save_state(path: Path, state: dict) -> None:
    """Replace a state file at once, so that a killed process leaves a complete one."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list) else value
