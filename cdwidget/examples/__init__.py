"""Objects like given examples: in the same image, in other images, and in the next frame."""

from cdwidget.examples.proposals import ExamplePredictor, Proposal, find_similar

__all__ = ["ExamplePredictor", "Proposal", "find_similar"]
