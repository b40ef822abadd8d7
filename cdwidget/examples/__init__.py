"""Objects like given examples: in the same image, in other images, and in the next frame."""
