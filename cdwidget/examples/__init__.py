"""Objects like given examples: in the same image, in other images, and in the next frame."""

from cdwidget.examples.origin import ExampleAffinity, ProposalOrigin, proposal_origin
from cdwidget.examples.proposals import ExamplePredictor, Proposal, find_similar

__all__ = ["ExampleAffinity", "ExamplePredictor", "Proposal", "ProposalOrigin", "find_similar", "proposal_origin"]
