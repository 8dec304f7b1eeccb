"""The groundedness gate: a model's text reaches the contact sentence by sentence, and only with proof."""
