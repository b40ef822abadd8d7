"""The tools of the hand: what the model cannot do. One file a tool, beside one generator in js/src/tools."""
