"""Export of approved conversations and rejected replies for training, without personal data."""
