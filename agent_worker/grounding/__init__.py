"""The groundedness gate: what a model wrote reaches the contact sentence by sentence, and only with its proof."""
