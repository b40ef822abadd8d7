"""Jobs that process every item of a catalogue, on this machine or a cluster."""

from cdwidget.batch.jobs import Embed, Job, Model, Outcome, Score
from cdwidget.batch.prelabel import Prelabel
from cdwidget.batch.runner import BACKENDS, Report, run

__all__ = ["BACKENDS", "Embed", "Job", "Model", "Outcome", "Prelabel", "Report", "Score", "run"]
