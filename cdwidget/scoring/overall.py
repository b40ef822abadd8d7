"""The overall score: whether a mask is bad, and how bad, from what all scores measured."""

from __future__ import annotations

from typing import Mapping, NamedTuple

import numpy as np

from cdwidget.predictor import BAD
from cdwidget.scoring.context import Finding, Subject
from cdwidget.scoring.network import Network, shipped

SEVERITY = 0.5  # share of the estimated IoU in the score; the rest is the chance that the mask is bad
TELLING = 0.02  # of the score, what a score must change to be named
NAMED = 2  # scores that are named at most
PLAIN = "plain"  # the measure that is the answer of the network that knows no predictor
BEFORE = "before"  # and the one that is the answer before the critic was heard
JUDGED, LABELLED = "judged", "labelled"  # 1 where it was, and where it knows what the class looks like, else 0
TRUST = 0.6  # in the network that knows the predictor's answers, against the plain one, which was fitted on more masks


class Estimate(NamedTuple):
    """Of n masks, float32 (n,): bad, the chance that the IoU is below BAD, and the IoU that is expected."""

    bad: np.ndarray
    iou: np.ndarray

    @property
    def score(self) -> np.ndarray:
        """The chance finds the bad masks, the IoU puts the worst of them first."""
        return (1 - SEVERITY) * self.bad + SEVERITY * (1 - self.iou)


def overall(findings: Mapping[str, Finding], subject: Subject) -> Finding:
    """Combine what the scores found; the reasons are those of the scores that found something and without which the mask would
    look best.

    There are three networks: one estimates the IoU from what can be measured without any other; the next corrects it by the predictor's
    answers, where there are any; the last one makes an `Estimate` of it, with the critic's word, where there is one.
    """
    measures = {**general(subject), **{name: value for finding in findings.values() for name, value in finding.measures.items()}}
    names = list(findings)
    rows = [measures, *({name: value for name, value in measures.items() if name not in findings[one].measures} for one in names)]
    found = estimate(rows)
    value, without = float(found.score[0]), dict(zip(names, (found.score[0] - found.score[1:]).tolist()))
    suspects = [name for name in names if findings[name].value > 0 and without[name] >= TELLING]
    telling = sorted(suspects, key=lambda name: -without[name])[:NAMED]
    reasons = "; ".join(findings[name].reason for name in telling) or "nothing about it stands out"
    heat = subject.nothing
    for name in telling:
        heat = np.maximum(heat, findings[name].heat * (without[name] / without[telling[0]]))
    bad, iou = float(found.bad[0]), float(found.iou[0])
    words = f"its IoU is probably about {iou:.2f}, and below {BAD} with a chance of {bad:.0%}: {reasons}"
    return Finding(value, words, heat, {"bad": bad, "iou": iou})


def estimate(rows: list[dict[str, float]]) -> Estimate:
    """Return what is to be expected of a mask of each row of measures: first all of it, then without some, taken to be as in good masks."""

    def ask(name: str, **before: np.ndarray) -> np.ndarray:
        network = shipped()[name]
        told = [{**row, **{key: float(values[i]) for key, values in before.items()}} for i, row in enumerate(rows)]
        return network(table(told, network))

    logits = ask("overall picture")[:, 0]
    if "edited" in rows[0]:
        logits = blend(logits, ask("overall answers", **{PLAIN: logits})[:, 0])
    flags = {name: np.full(len(rows), value) for name, value in heard(rows[0]).items()}
    return estimated(ask("overall critic", **{BEFORE: logits, **flags}))


def heard(measures: Mapping[str, float]) -> dict[str, float]:
    """Return whether the critic was asked, and whether it knew the class, as measures."""
    return {JUDGED: float("critic" in measures), LABELLED: float("appearance" in measures)}


def estimated(logits: np.ndarray) -> Estimate:
    """Return what the last network's outputs mean, (n, 2): the logits of the mask being good, and of its IoU."""
    good, iou = (1 / (1 + np.exp(-logits))).T
    return Estimate(1 - good, iou)


def blend(plain: np.ndarray, aided: np.ndarray) -> np.ndarray:
    """Return what both networks say together, in logits."""
    return (1 - TRUST) * plain + TRUST * aided


def table(rows: list[dict[str, float]], network: Network) -> np.ndarray:
    """Return rows of measures as the inputs of a network, float32 (n, inputs)."""
    return np.array([[row.get(name, usual) for name, usual in zip(network.names, network.usual)] for row in rows], np.float32)


def general(subject: Subject) -> dict[str, float]:
    """Return what hangs on no score: how large and how compact the mask is, how much of its border is the image's, and whether instances
    lie in one another as a rule.
    """
    border = float(np.count_nonzero(subject.border))
    rows, columns = np.ogrid[: subject.shape[0], : subject.shape[1]]
    outermost = float(np.count_nonzero(subject.inside & subject.at_image_border(columns, rows))) / 2  # a band two pixels wide
    within = float(np.count_nonzero(subject.inside))
    population = subject.scene.population
    return {
        "area": float(np.log(subject.area / subject.mask.size)),
        "pixels": float(np.log(subject.area)),
        "compact": float(np.log(within / (border + 1) ** 2 + 1e-6)),
        "depth": float(subject.depth.max()) / float(np.sqrt(within)),
        "at_image_border": outermost / (outermost + border + 1),
        "nested": float(population is not None and population.nested),
    }
