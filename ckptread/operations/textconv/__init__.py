"""A checkpoint as stable text, for git to compare. ``textconv`` gathers it; ``report`` writes the lines."""
