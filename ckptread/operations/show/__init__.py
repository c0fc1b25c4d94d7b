"""All about one tensor. ``show`` gathers it; ``report`` says how it is shown, ``values`` how values are."""
